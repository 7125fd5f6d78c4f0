"""Exploration of a design space: tasks on Ray, summaries, the store, results, the recommended design.

Imports searchers and spaces.  Begin with `run`; `results` reads its output, `selection` gets designs out of it.
"""

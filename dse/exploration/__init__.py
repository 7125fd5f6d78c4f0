"""Exploration of a design space: tasks on Ray, summaries, the store, results, the recommended design.

Imports searchers and spaces, and floorplans for the `bundled` netlists.  Begin with `run`; `results` reads its output,
`selection` gets designs out of it.
"""

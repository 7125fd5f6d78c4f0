"""Exploration of a space on Ray: tasks, summaries, the store, results, the recommended design.

Imports searchers and spaces.  Begin with `run`.
"""

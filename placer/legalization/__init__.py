"""Legalization of hard macros: without overlap, inside the canvas, on rows and sites, moved little.

Imports netlists only.  Begin with `legalize`, then `on_grid`.
"""

"""Legalization of hard macros: no overlap, inside the canvas, on rows and sites, with little movement.

Imports netlists only.  Begin with `legalize`; `row_alignment` puts the result on rows and sites.
"""

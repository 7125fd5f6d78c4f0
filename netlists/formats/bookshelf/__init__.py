"""Bookshelf (ISPD 2005/2006, ICCAD 2004): `.aux` and the files that it lists.

`reader` states the conventions and is the way in; `records` and `scl` parse single files, `design` gives them meaning.
"""

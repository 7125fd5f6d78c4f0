"""Bookshelf (ISPD 2005/2006, ICCAD 2004): `.aux` and the files that it lists.

`reader` states the conventions and is where to begin; `records` parses single files, `design` interprets them, `writer`
writes.  May import `netlists.netlist`, `placement`, `rows` and `formats.textfile`.
"""

"""LEF and DEF 5.8: libraries and designs read, placements written back as DEF or as Tcl for the next tool.

`design` says what the files mean; `lef` and `def_file` parse them, `writer` writes.
"""

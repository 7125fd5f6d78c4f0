"""Circuit Training's protobuf text netlists and `.plc` placements.

`reader` states the conventions and is where to begin; `prototext` parses the syntax, `header` the `#` lines, `plc`
reads and writes placements, `writer` writes netlists.  May import `netlists.netlist`, `placement` and
`formats.textfile`.
"""

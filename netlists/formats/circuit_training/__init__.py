"""Circuit Training's protobuf text netlists, and `.plc` placements.

`reader` states the conventions and is the way in; `prototext` parses the syntax, `plc` reads and writes placements.
"""

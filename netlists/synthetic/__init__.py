"""Generated netlists: random ones that look like chips, and ones whose optimum is known.

Imports the netlist and formats.  Begin with `generate`, which also writes the bundled designs.
"""

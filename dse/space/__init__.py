"""Design spaces: numbered designs, read from YAML, and what a block of them costs.

Imports the model.  Begin with `space`; `file` describes the YAML format.
"""

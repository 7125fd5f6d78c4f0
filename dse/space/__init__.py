"""Design spaces: numbered designs, read from YAML, and what a block of them costs.

Imports `dse.model`, `dse.templates` and `dse.workloads`.  `file` describes the YAML format and reads it; begin with
`space`, which evaluates designs by their numbers.
"""

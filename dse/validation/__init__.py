"""The models beside published designs.

Imports the model and spaces.  Begin with `compare`; `publication` reads `dse/data/published`.
"""

"""Comparison of the models with published designs.

Imports the model and spaces.  Begin with `compare`; `publication` reads the files of `dse/data/published`.
"""

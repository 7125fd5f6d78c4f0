"""File formats: one folder for each family of files, and `files`, which chooses among them.

Imports everything that a netlist is made of.  Begin with `files`; `textfile` holds what all readers share.
"""

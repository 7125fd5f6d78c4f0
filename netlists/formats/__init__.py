"""File formats: one folder for each format, `registry` with one entry for each, and `files`, which loads and saves.

May import everything in `netlists` except `synthetic` and `cluster`.  Begin with `files`; a new format is a new folder
and a new entry in `registry`.  `textfile` has what all readers and writers share.
"""

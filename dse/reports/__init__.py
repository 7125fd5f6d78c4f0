"""From results to plain data: what pages, `--json` and tables show.

Imports exploration and validation.  Begin with `exploration` and `evaluation`.
"""

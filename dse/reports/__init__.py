"""From results to plain data: what pages, `--json` and tables show.

Imports exploration, validation and the model, but no plots.  Begin with `exploration` and `evaluation`.
"""

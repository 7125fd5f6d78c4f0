"""The commands of `placer`, one module each, and what they share: options, tables of the terminal, report pages.

With `placer.cli` the only place that joins the placer and `plots`.  Begin with `place`.
"""

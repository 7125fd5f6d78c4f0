"""The commands of `placer`, and what they share: options, tables of the terminal, report pages.

Together with `placer.cli` the only place that joins the placer and `plots`.  Begin with `placer.cli`.
"""

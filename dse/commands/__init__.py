"""The commands of `dse`, and the options that they share.

Together with `dse.cli` the only place that joins dse and `plots`.  Begin with `dse.cli`.
"""

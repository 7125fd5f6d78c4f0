"""The commands of `dse`, one per module, and what they share: options, printing, pages, placing.

Together with `dse.cli` the only place that joins dse and `plots`.  Modules of commands import neither each other nor
`dse.cli`; libraries that take seconds to load are imported inside the commands that need them.  Begin with `dse.cli`.
"""

"""Standard cells of flat netlists: global placement, legalization on rows, detailed placement.

Imports cost and legalization.  Begin with `place`, which runs the three one after the other.
"""

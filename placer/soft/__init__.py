"""Placement of soft macros around hard macros that stay where they are: by forces, then one by one.

`force_directed` is the fast method of every episode, `detailed` the finish after it, and `multi_start` the search if
soft macros are all that can move.  `node_nets` merges the nets of a netlist to the few that all of these need.

Imports `placer.cost`.  Begin reading with `force_directed`.
"""

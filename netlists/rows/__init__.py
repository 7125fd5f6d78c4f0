"""Rows and sites: those of a netlist or those derived from its cells, the area they cover, and multi-row cells.

May import `netlists.netlist` and `netlists.tolerance` only.  Begin with `derived.cell_rows`.
"""

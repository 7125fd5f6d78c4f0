"""Rows and sites: those that a netlist has or gets from its cells, what they cover, cells several rows high.

Imports the netlist only.  Begin with `derived`.
"""

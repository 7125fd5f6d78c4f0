"""Tests of the views of a netlist as a graph."""

"""Tests of the routing estimate."""

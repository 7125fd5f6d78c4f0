"""Tests of the figures and the pages."""

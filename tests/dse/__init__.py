"""Tests of dse; `conftest` runs its commands."""

from __future__ import annotations

from collections.abc import Callable

Command = Callable[..., tuple[int, str, str]]
"""Runs `dse` with some arguments: exit code, stdout, stderr."""

"""Where numba keeps compiled kernels: beside their sources, in the home folder, or in a private temporary folder.

Numba does not compile a function at all that it cannot keep: so is it with a read-only installation and home folder.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from netlists.runtime.scratch import private_folder

VARIABLE = "NUMBA_CACHE_DIR"
"""The environment variable by which a user, and this module, tell numba and the processes started here the folder."""
PACKAGES = ("netlists", "placer", "dse")
"""Packages with kernels."""


def find_cache() -> None:
    """Let numba keep kernels in a private temporary folder, or nowhere, if it could write to no usual one."""
    if os.environ.get(VARIABLE) or writes_beside_sources() or is_writable(user_cache()):
        return
    stack = ExitStack()
    try:
        folder = str(stack.enter_context(private_folder()))
    except OSError:
        compile_in_memory()
        return
    atexit.register(stack.close)
    os.environ[VARIABLE] = folder
    if "numba" in sys.modules:  # which has read the variable before
        sys.modules["numba.core.config"].CACHE_DIR = folder  # type: ignore[attr-defined]


def writes_beside_sources() -> bool:
    """Whether kernels can be kept in `__pycache__` of all folders of the packages."""
    top = Path(__file__).parents[2]
    folders = [folder for package in PACKAGES for folder, _, files in os.walk(top / package) if "__init__.py" in files]
    return all(is_writable(Path(folder) / "__pycache__") for folder in folders)


def user_cache() -> Path:
    """Where numba keeps kernels in the home folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "numba"


def is_writable(folder: Path) -> bool:
    """Whether a folder, or the one in which it would have to be made, can be written to."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def compile_in_memory() -> None:
    """Let numba compile without keeping anything; it has no setting for that."""
    from numba.core.dispatcher import Dispatcher

    Dispatcher.enable_caching = lambda self: None  # type: ignore[method-assign]

"""Where numba keeps compiled kernels: beside their sources, in the home folder, or in a private temporary folder.

Numba does not compile a function at all that it cannot keep: so is it with a read-only installation and home folder.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from netlists.runtime.scratch import private_folder

VARIABLE = "NUMBA_CACHE_DIR"
"""The environment variable by which a user, and this module, tell numba and the processes started here the folder."""
PACKAGES = ("netlists", "placer", "dse")
"""Packages with kernels."""


def find_cache() -> None:
    """Let numba keep kernels in a private temporary folder, or nowhere, if it could write to no usual one."""
    if os.environ.get(VARIABLE) or writes_beside_sources() or writes_at_home():
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
    caches = [os.path.join(folder, "__pycache__") for folder in folders]
    return all(os.access(cache if os.path.isdir(cache) else os.path.dirname(cache), os.W_OK) for cache in caches)


def writes_at_home() -> bool:
    """Whether numba can keep kernels in the home folder: it tries in the same way."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "numba")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache).close()
    except OSError:
        return False
    return True


def compile_in_memory() -> None:
    """Let numba compile without keeping anything; it has no setting for that."""
    from numba.core.dispatcher import Dispatcher

    Dispatcher.enable_caching = lambda self: None  # type: ignore[method-assign]

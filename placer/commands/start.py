"""How the command `placer` starts: Ctrl-C ends it in one line from the first moment on, also while libraries load."""

from __future__ import annotations

from netlists.runtime.interrupts import loading


def main() -> None:
    """Run the command in `sys.argv`."""
    with loading():
        from placer.cli import main as run
    run()

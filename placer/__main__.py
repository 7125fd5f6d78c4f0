"""The command `placer`, also as `python -m placer`: from the first moment on, Ctrl-C ends it with one line."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command in `sys.argv`."""
    # Ctrl-C waits until it is handled: as an exception it could get lost in libraries that are being loaded.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    from netlists.runtime.interrupts import loading

    with loading():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        from placer import cli
    cli.main()


if __name__ == "__main__":
    main()

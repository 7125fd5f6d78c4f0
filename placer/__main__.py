"""The command `placer`, also as `python -m placer`: from the first moment on, signals end it with one line."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command in `sys.argv`."""
    # The signals wait until they are handled: as exceptions they could get lost in libraries that are being loaded.
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    from netlists.runtime.interrupts import loading

    with loading():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        from placer import cli
    cli.main()


if __name__ == "__main__":
    main()

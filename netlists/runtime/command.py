"""How the commands end: exit codes, and one line on stderr for everything that a user gets wrong."""

from __future__ import annotations

import os
import shlex
import sys
from typing import NoReturn, TextIO, cast

import typer

from netlists.errors import ChipscapeError, first_line, printable
from netlists.runtime.interrupts import INTERRUPTED, STOPPED, handle_signals

WRONG = 2
"""The exit code of a command that was used wrongly, or whose input is wrong."""
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""The base of typer's errors about options and arguments, which has no public name."""


def run(app: typer.Typer) -> NoReturn:
    """Run the command in `sys.argv` and exit; an error that the user can mend is one line and exit code 2.

    Commands that stop before their end on purpose raise `SystemExit`.
    """
    handle_signals()
    try:
        code = app(standalone_mode=False)
        if sys.stdout:  # None if it is closed
            sys.stdout.flush()
        if code == INTERRUPTED:  # Ctrl-C where no command expected it
            warn(STOPPED)
        sys.exit(code)
    except _UsageError as error:
        message = error.format_message()
        if not message:  # the command has no arguments, and its help is already printed
            sys.exit(WRONG)
        if error.ctx:
            message = f"{message.removesuffix('.')}; see {error.ctx.command_path} --help"
    except typer.Abort:  # a question to the user was left without an answer
        sys.exit(1)
    except ChipscapeError as error:
        message = str(error)
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # whoever read the output has enough
            _discard(sys.stdout)
            sys.exit(1)
        message = error.strerror or str(error)
        if error.filename:
            message = f"{error.filename}: {error.strerror}, expected a file or folder that can be used"
    except MemoryError as error:
        message = f"memory does not suffice ({first_line(error)}); give the job more, or choose a smaller one"
    warn(f"error: {' '.join(message.split())}")
    sys.exit(WRONG)


def command_line(tool: str) -> str:
    """The command of `placer` or `dse`, the `tool`, that is running."""
    return shlex.join([tool, *sys.argv[1:]])


def say(*lines: str) -> None:
    """Print lines on stdout; what a terminal would not show as it is is escaped, see `printable`."""
    for line in lines:
        print(printable(line))


def warn(*lines: str) -> None:
    """Print lines on stderr in the same way, at once; if nobody reads them any more, work goes on."""
    try:
        for line in lines:
            print(printable(line), file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """From now on throw away what is written to a stream, also what is still in its buffer."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)

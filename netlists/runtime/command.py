"""How the commands end: exit codes, and one line for whatever a user gets wrong."""

from __future__ import annotations

import sys
from typing import NoReturn, cast

import typer

from netlists.errors import ChipscapeError

WRONG = 2  # the exit code of errors of the user's making
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)  # which has no public name


def run(app: typer.Typer) -> NoReturn:
    """Run the command in `sys.argv` and exit; errors of the user's making are one line and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False))
    except _UsageError as error:
        message = error.format_message()
        if not message:  # without arguments, and help is printed
            sys.exit(WRONG)
        if error.ctx:
            message = f"{message.removesuffix('.')}; see {error.ctx.command_path} --help"
    except typer.Abort:  # of a question that nobody answers
        sys.exit(1)
    except ChipscapeError as error:
        message = str(error)
    except OSError as error:
        message = str(error)
        if error.filename:
            message = f"{error.filename}: {error.strerror}, expected a file or folder that can be used"
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(WRONG)

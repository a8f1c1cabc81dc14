"""The command line: `umsn deblur | evaluate | measure | verify | train | draw | kernels`, one file a command.

Exit code 0 where all went well, 1 where a record does not hold, 2 where an input could not be used, 130 where the user
interrupted. What takes long to import is imported by the command that needs it, so that `umsn --help` is there at once.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress

import umsn
from umsn.cli import deblur, draw, evaluate, kernels, measure, train, verify
from umsn.cli.options import Parser
from umsn.files import InputError, shown
from umsn.memory import ran_out

COMMANDS = (deblur, evaluate, measure, verify, train, draw, kernels)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; ``arguments`` are the command line's where None. Returns the exit code."""
    try:
        _check_streams()
        options = _parser().parse_args(_boxed(sys.argv[1:] if arguments is None else arguments))
        code = options.run(options) or 0
        sys.stdout.flush()
        return code
    except (InputError, FloatingPointError) as error:
        return _bad(error)
    except BrokenPipeError:  # `umsn ... | head`
        _mute()
        return 0
    except OSError as error:
        return _bad(f"{error.filename or 'file'}: {error.strerror or error}")
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        return _bad("this does not fit into the free memory")
    except KeyboardInterrupt:
        print("umsn: interrupted", file=sys.stderr)
        return 130


def _check_streams() -> None:
    """See to it that any name can be printed. Raises InputError where there is no standard output."""
    if sys.stdout is None:
        raise InputError("standard output: closed; a place for what the command says was expected")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _boxed(arguments: Sequence[str]) -> list[str]:
    """Arguments with a box that begins with a minus joined to its option, from which argparse would part it.

    Raises InputError for an option whose value is "--", of which argparse makes a list.
    """
    joined: list[str] = []
    for word in arguments:
        if word.startswith("--") and word.endswith("=--"):
            raise InputError(f"{word}: a value was expected behind the sign of equality")
        if joined and joined[-1] == "--box" and re.match(r"-\d", word):
            joined[-1] = f"--box={word}"
        else:
            joined.append(word)
    return joined


def _bad(error: Exception | str) -> int:
    """Say in one line what is wrong; what was said before, as far as it can be, comes first."""
    try:
        sys.stdout.flush()
    except (AttributeError, OSError):
        _mute()
    if sys.stderr is not None:
        print(f"umsn: {shown(error)}", file=sys.stderr)
    return 2


def _mute() -> None:
    """Let nothing more be written to a standard output that takes nothing more."""
    with suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> Parser:
    parser = Parser(prog="umsn", description=umsn.__doc__, epilog="umsn COMMAND --help says more.")
    parser.add_argument("--version", action="version", version=f"umsn {umsn.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        name, (about, example) = command.__name__.rpartition(".")[2], command.ABOUT
        description, epilog = f"{about[0].upper()}{about[1:]}.", f"Example: {example}"
        one = commands.add_parser(name, help=about, description=description, epilog=epilog)
        command.add_options(one.add_argument)
        one.set_defaults(run=command.run)
    return parser

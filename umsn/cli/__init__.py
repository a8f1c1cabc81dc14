"""The command line: `umsn deblur | evaluate | measure | verify | train | draw | kernels`, one file a command.

Exit code 0 where all went well, 1 where a record does not hold, 2 where an input could not be used, 130 where the user
interrupted. What takes long to import is imported by the command that needs it, so that `umsn --help` is there at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import umsn
from umsn.cli import deblur, draw, evaluate, kernels, measure, train, verify
from umsn.cli.options import Parser
from umsn.files import InputError

COMMANDS = (deblur, evaluate, measure, verify, train, draw, kernels)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; ``arguments`` are the command line's where None. Returns the exit code."""
    try:
        options = _parser().parse_args(arguments)
        return options.run(options) or 0
    except (InputError, FloatingPointError) as error:
        return _bad(error)
    except BrokenPipeError:  # `umsn ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _bad(f"{error.filename or 'file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("umsn: interrupted", file=sys.stderr)
        return 130


def _bad(error: Exception | str) -> int:
    print(f"umsn: {error}", file=sys.stderr)
    return 2


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

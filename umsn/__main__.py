"""`python -m umsn`: the command line of `umsn.cli`."""

import sys

from umsn.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m singlehit`, which is the command `singlehit`."""

import sys

from singlehit.command import main

if __name__ == "__main__":
    sys.exit(main())

"""Where `singlehit export` lay in version 0.1: `python -m simulate.export` hands on to it."""

import sys

from singlehit.command import hand_on

if __name__ == "__main__":
    sys.exit(hand_on("simulate.export", "export"))

"""Where `singlehit estimate` lay in version 0.1: `python -m evaluate.estimate` hands on to it."""

import sys

from singlehit.command import hand_on

if __name__ == "__main__":
    sys.exit(hand_on("evaluate.estimate", "estimate"))

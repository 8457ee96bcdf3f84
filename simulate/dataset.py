"""Where `singlehit verify` and `singlehit repair` lay in version 0.1: `python -m simulate.dataset` hands on to it."""

import sys

from singlehit.command import hand_on

if __name__ == "__main__":
    sys.exit(hand_on("simulate.dataset", "verify", "repair"))

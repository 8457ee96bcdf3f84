"""What pip is at, in one line on a terminal and a line every 25 packages elsewhere: of its own there are hundreds.

pip install ... | python workflow/installing.py
"""

import sys
from collections.abc import Iterable
from typing import TextIO

FETCHED = ("Downloading ", "Using cached ")
EVERY = 25


def tell(lines: Iterable[str], output: TextIO) -> None:
    """Say what pip's lines say of the packages that it fetches and installs."""
    n, clear = 0, "\r\033[K" if output.isatty() else ""
    for line in map(str.strip, lines):
        for word in FETCHED:
            if line.startswith(word) and ".metadata" not in line:
                n += 1
                said = f"package {n}: {line.removeprefix(word)}"[:79]
                if clear:
                    output.write(clear + said)
                elif n % EVERY == 0:
                    output.write(f"{said}\n")
        if line.startswith("Installing collected packages:"):
            output.write(f"{clear}installing {len(line.split(','))} packages")
            output.write("" if clear else "\n")
        output.flush()
    output.write(clear)


if __name__ == "__main__":
    tell(sys.stdin, sys.stdout)

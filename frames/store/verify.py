"""A dataset checked against the sha256 of every shard."""

import argparse
import sys
from pathlib import Path

from frames.store.integrity import repair, verify

DESCRIPTIONS = {
    "verify": "Check a dataset against the sha256 of every shard, and name what is damaged. Nothing is changed.",
    "repair": "Forget what is damaged in a dataset, so that the next run makes it again.",
}
"""What the help of each command says."""


def main(argv: list[str] | None = None) -> int:
    """Command line: verify or repair a dataset."""
    parser = argparse.ArgumentParser(prog="singlehit")
    actions = parser.add_subparsers(dest="action", required=True)
    for action, description in DESCRIPTIONS.items():
        example = f"example: singlehit {action} results/demo/datasets/noise_free"
        one = actions.add_parser(action, description=description, epilog=example)
        one.add_argument("path", type=Path, help="a folder .../datasets/<name>")
    arguments = parser.parse_args(argv)
    try:
        problems = (repair if arguments.action == "repair" else verify)(arguments.path)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{arguments.path}: every shard is as written")
        return 0
    if arguments.action == "verify":
        print(f"{arguments.path}: {len(problems)} problem(s)")
        return 1
    print(f"all of this is forgotten; `snakemake {arguments.path}/dataset.json --configfile <yours>` makes it again")
    return 0


if __name__ == "__main__":
    sys.exit(main())

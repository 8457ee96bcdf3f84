"""`singlehit COMMAND ...`: hands what follows to the module that does it, which alone is then imported."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

INTERRUPTED = 130
"""Status of a process that Ctrl-C ended, as shells have it."""


class Command(NamedTuple):
    """What a word after `singlehit` stands for."""

    module: str
    """whose `main` takes the arguments and returns the process's status"""
    says: str
    """what it does, in a line"""
    before: tuple[str, ...] = ()
    """arguments that come before those given"""


COMMANDS = {
    "verify": Command("frames.store.verify", "check every shard of a dataset against its sha256", ("verify",)),
    "repair": Command("frames.store.verify", "forget what is damaged: the next run makes it again", ("repair",)),
    "export": Command("frames.export", "write a dataset as CXI, skopi's HDF5 or .emc, or convert such a file"),
    "classify": Command("screen.classify", "say how many particles each frame of a file shows, and which"),
    "select": Command("screen.select", "say which frames of a file are single hits, by a twin network"),
    "hits": Command("screen.hits", "say which frames of a file are hits of a crystal, with their peaks"),
    "peaks": Command("screen.peaks", "count the peaks of each frame, and write hits with peak lists"),
    "virus": Command("screen.virus", "find single hits of one virus in a file, from a few labels"),
    "screen": Command("screen.stream.command", "keep or veto frames as they come, from streams or files"),
    "beamline": Command("screen.beamline.command", "stream a dataset as a beamline would, to rehearse screening"),
    "estimate": Command("evaluate.cost.estimate", "tell what a run will take, from what others took"),
    "draw": Command("report.draw", "draw a figure of a finished run again, from its tables alone"),
    "onnx": Command("train.export", "write a trained network as ONNX, checked against torch"),
    "tabulate": Command("simulate.experiment.tabulate", "write the table that fits a detector's frames to a network"),
}


def overview() -> str:
    """What `singlehit --help` prints."""
    listed = "\n".join(f"  {name:10}{command.says}" for name, command in COMMANDS.items())
    return (
        "usage: singlehit COMMAND ...\n\n"
        f"{listed}\n\n"
        "`singlehit COMMAND --help` says what it takes, with an example.\n"
        "Simulating, training and evaluating is a run of snakemake: README.md."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: run one of `COMMANDS`; the status of the process."""
    name, *given = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        print(overview())
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        meant = f"; did you mean `singlehit {near[0]}`?" if near else "; `singlehit --help` lists them"
        print(f"singlehit has no command {name!r}{meant}", file=sys.stderr)
        return 2
    return run(name, given)


def run(name: str, given: Sequence[str]) -> int:
    """A command with its arguments. What goes wrong is told in a line."""
    command = COMMANDS[name]
    try:
        from frames.interrupts import kept

        with kept():
            status = importlib.import_module(command.module).main([*command.before, *given])
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # who reads, `head` say, has seen enough; what is still to be written goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        print(f"singlehit {name}: {error}; `make install` has what it needs", file=sys.stderr)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"singlehit {name}: {error}", file=sys.stderr)
    return 2


def hand_on(old: str, *names: str) -> int:
    """Run what a module's `main` did before there was `singlehit`, and say what it is called now.

    Where a module became several commands the first argument names one of them.
    """
    given = sys.argv[1:]
    name = given.pop(0) if len(names) > 1 and given and given[0] in names else names[0]
    print(f"`python -m {old}` is now `singlehit {name}`", file=sys.stderr)
    return run(name, given)

"""Mutants that change no answer, so that no test can notice them: reviewed one by one, each with the reason.

`make mutants` does not count a survivor that stands here, and fails where an entry excuses none: it is out of date.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Equivalent(NamedTuple):
    """What mutmut exchanges, and why nothing comes of it."""

    was: str
    """part of the line before"""
    now: str
    """the same part after"""
    why: str


NUMPY_FLOAT = "numpy takes no type for float64"
STRICT = "lengths are equal by construction: no caller can make them differ"
DEFAULT = "the library's default, said so that it is seen"
DEVICE = "where there is no GPU there is one device: tests on the CPU cannot tell"
OPTIMUM = "another way to the same optimum"
EMPTY = "the type of an array without elements"
TEXT = "texts become objects in a table of pandas, whatever held them"

EVERYWHERE: Sequence[Equivalent] = (
    Equivalent(r"\.astype\((np\.float64|float)\)", ".astype(None)", NUMPY_FLOAT),
    Equivalent(r"\bnp\.(\w+)\((.+), (?:dtype=)?(?:np\.float64|float)\)", r"np.\1(\2, None)", NUMPY_FLOAT),
    Equivalent(r", strict=True\)", ", strict=False)", STRICT),
    Equivalent(r", strict=True\)", ", strict=None)", STRICT),
    Equivalent(r", strict=True\)", ", )", STRICT),
    Equivalent(r"reshape\((.*)-1(.*)\)", r"reshape(\1-2\2)", "any negative number stands for what is left"),
)
"""Regular expressions, of every module."""

OF_MODULE: Mapping[str, Sequence[Equivalent]] = {
    "train/few_shot/logistic.py": (
        Equivalent("= 1.0", "= 2.0", "a component that never changes is 0 whatever divides it"),
        Equivalent("if len(features) < len(prior) else", "if (len(features) < len(prior)) and False else", OPTIMUM),
        Equivalent("if len(features) < len(prior) else", "if (len(features) < len(prior)) or True else", OPTIMUM),
        Equivalent("len(features) < len(prior)", "len(features) <= len(prior)", OPTIMUM),
        Equivalent("range(100)", "range(101)", OPTIMUM),
        Equivalent("length, before = 1.0", "length, before = 2.0", OPTIMUM),
        Equivalent("> before", ">= before", OPTIMUM),
        Equivalent("length > 1e-6", "length >= 1e-6", OPTIMUM),
        Equivalent("length /= 2", "length /= 3", OPTIMUM),
        Equivalent("< 1e-8", "<= 1e-8", OPTIMUM),
        Equivalent("1e-8 * len(features)", "1e-8 / len(features)", OPTIMUM),
    ),
    "train/few_shot/mixture.py": (
        Equivalent("SupportSet(known, hit", "SupportSet(None, hit", "the check looks at the classes alone"),
        Equivalent("spread, 1.0)", "spread, 2.0)", "what never changes is 0 whatever divides it"),
        Equivalent('"kn,kni,knj->kij"', '"KN,KNI,KNJ->KIJ"', "einsum's letters are names"),
        Equivalent('"ignore", ConvergenceWarning)', '"ignore", )', "it is the only warning there is"),
    ),
    "evaluate/baselines/total_intensity.py": (
        Equivalent('"photons")', "None)", "what a progress bar says"),
        Equivalent('"photons")', '"XXphotonsXX")', "what a progress bar says"),
        Equivalent('"photons")', '"PHOTONS")', "what a progress bar says"),
        Equivalent("random_state=seed", "random_state=None", "a tree of one number draws none"),
        Equivalent(", random_state=seed)", ", )", "a tree of one number draws none"),
    ),
    "evaluate/predictions/predictions.py": (
        Equivalent("matching, key=len)", "matching, key=None)", "of words that begin alike the longer is the later"),
        Equivalent("matching, key=len)", "matching, )", "of words that begin alike the longer is the later"),
    ),
    "simulate/plan/plan.py": (
        Equivalent("for name, _ in classes], dtype=object)", "for name, _ in classes], dtype=None)", TEXT),
        Equivalent("for name, _ in classes], dtype=object)", "for name, _ in classes], )", TEXT),
        Equivalent("np.array(SPLITS, dtype=object)", "np.array(SPLITS, dtype=None)", TEXT),
        Equivalent("np.array(SPLITS, dtype=object)", "np.array(SPLITS, )", TEXT),
        Equivalent('kind="stable"', 'kind="STABLE"', "numpy reads a kind's first letter, whatever its case"),
        Equivalent("to_numpy(str)", "to_numpy(None)", "names are compared as text either way"),
        Equivalent("len(among), -1)", "len(among), +1)", "no row that is kept has one of the others"),
        Equivalent("len(among), -1)", "len(among), -2)", "no row that is kept has one of the others"),
        Equivalent("sort=False)", "sort=None)", "classes are numbered otherwise, and found by their numbers"),
        Equivalent("sort=False)", "sort=True)", "classes are numbered otherwise, and found by their numbers"),
        Equivalent(", sort=False)", ", )", "classes are numbered otherwise, and found by their numbers"),
        Equivalent("shares.get(m, 1.0)", "shares.get(m, 2.0)", "of twice as many as there are all are kept"),
        Equivalent("len(plan), np.int64)", "len(plan), None)", "ranks are whole numbers in either type"),
        Equivalent("len(plan), np.int64)", "len(plan), )", "ranks are whole numbers in either type"),
        Equivalent('over="ignore"', "over=None", "numpy warns of scalars alone, and these are arrays"),
        Equivalent(":1] < 0,", ":1] <= 0,", "a normal number is never 0"),
        Equivalent('"species", 1)[:, 0]', '"species", 2)[:, 0]', "the first of two numbers is the first of one"),
        Equivalent("[:, 0] < mixed", "[:, 0] <= mixed", "of 2^53 numbers that are drawn one is the limit"),
        Equivalent("> 1 and len(rows)", "> 1 or len(rows)", "no places, or no rows, are filled with nothing"),
        Equivalent("multiplicity > 1", "multiplicity >= 1", "no places, or no rows, are filled with nothing"),
        Equivalent("in names], np.uint64)", "in names], None)", "32 bits are the same number with a sign or without"),
        Equivalent("in names], np.uint64)", "in names], )", "32 bits are the same number with a sign or without"),
        Equivalent("start - start[0]", "start + start[0]", "pyarrow counts from 0 what it put together"),
        Equivalent("preserve_index=False", "preserve_index=None", "the index counts rows, and is no column either way"),
        Equivalent(", preserve_index=False", ", ", "the index counts rows, and is no column either way"),
        Equivalent("plan.start, pa.int32())", "plan.start, None)", "lists have offsets of 32 bits, whatever comes"),
        Equivalent("plan.start, pa.int32())", "plan.start, )", "lists have offsets of 32 bits, whatever comes"),
    ),
    "frames/pixels/table.py": (
        Equivalent("COMPILED.get(frames.dtype.name,", "COMPILED.get(None,", "all sums are of float64 anyway: slower"),
        Equivalent("np.zeros((n, 0), bool)", "np.zeros((n, 0), None)", EMPTY),
        Equivalent("np.zeros((n, 0), bool)", "np.zeros((n, 0), )", EMPTY),
        Equivalent("COMPILED.get(frame.dtype.name,", "COMPILED.get(None,", "all sums are of float64 anyway: slower"),
        Equivalent("np.zeros(0, bool)", "np.zeros(0, None)", EMPTY),
        Equivalent("np.zeros(0, bool)", "np.zeros(0, )", EMPTY),
        Equivalent("stops - starts", "stops + starts", "room for more than the longest run"),
        Equivalent("writeable = False", "writeable = None", "loops are compiled once more, for the other kind"),
        Equivalent("writeable = False", "writeable = True", "loops are compiled once more, for the other kind"),
    ),
    "train/batches/augment.py": (
        Equivalent("x < 0.5", "x <= 0.5", "of 2^53 numbers that are drawn one is 0.5"),
        Equivalent("y < 0.5", "y <= 0.5", "of 2^53 numbers that are drawn one is 0.5"),
        Equivalent("align_corners=False", "align_corners=None", DEFAULT),
        Equivalent(", align_corners=False)", ", )", DEFAULT),
    ),
    "train/losses/miners.py": (
        Equivalent("device=allowed.device)", "device=None)", DEVICE),
        Equivalent(", device=allowed.device)", ", )", DEVICE),
        Equivalent("chance, -1.0)", "chance, -2.0)", "any number below all chances"),
    ),
}
"""Module -> words of its lines."""


def reason(module: str, before: str, after: str) -> Equivalent | None:
    """Why a mutant that makes the lines `before` to `after` changes nothing; None where nobody has said that.

    An entry is the reason where its part, exchanged in one place, makes the one from the other.
    """
    everywhere = ((entry, entry.was, entry.now) for entry in EVERYWHERE)
    here = ((entry, re.escape(entry.was), entry.now.replace("\\", r"\\")) for entry in OF_MODULE.get(module, ()))
    for entry, pattern, replacement in (*everywhere, *here):
        for match in re.finditer(pattern, before):
            if before[: match.start()] + match.expand(replacement) + before[match.end() :] == after:
                return entry
    return None

"""Mutants: one thing is changed in a module that decides numbers, and its tests have to notice.

    make mutants MODULE=evaluate/metrics/calibration.py     # one module; all of them without MODULE, hours

mutmut (https://mutmut.readthedocs.io) changes every operator, number, word and argument of a module, one at a time, and
runs the tests that reach it, to the first that fails, each in a process of its own. It works in a copy of the
repository, `results/mutants/<module>/`. What seems to go unnoticed is then run with all of the module's tests: mutmut
holds what a fixture does once for many tests for the first one's. So is what ran out of mutmut's time, which is told by
the clock: where other work shares the core, that says nothing. It has run for ever if it takes TIMES as much time of
the processor as the tests do. What is printed: mutants and how many of them were
noticed, and the change in each one that was not. Those that change no answer stand in equivalent_mutants.py, each with
its reason, and do not count; of the others 95 % have to be noticed.

Not changed is what mutmut passes over: functions with a decorator (properties, compiled loops, which are held against
slow twins instead), and values outside of functions.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from support.programs.equivalent_mutants import OF_MODULE, Equivalent, reason  # noqa: E402  the file is run, not imported

ENOUGH = 0.95
"""Share of a module's mutants that have to be noticed, of those that change an answer."""

TIMES, AT_LEAST_S = 5, 20
"""A mutant runs for ever that takes so many times what the tests do, and so many seconds more, of the processor."""

OUT_OF_TIME = frozenset([36, 24, -24, 152, 255])
"""What mutmut writes of a mutant that it stopped, by the clock or by the processor's time."""

MODULES: Mapping[str, tuple[str, ...]] = {
    "evaluate/metrics/accuracy.py": ("evaluate/metrics/test_accuracy.py",),
    "evaluate/metrics/calibration.py": ("evaluate/metrics/test_calibration.py",),
    "evaluate/metrics/operating_points.py": ("evaluate/metrics/test_operating_points.py",),
    "evaluate/predictions/predictions.py": ("evaluate/predictions/test_predictions.py",),
    "evaluate/metrics/confusion.py": ("evaluate/metrics/test_confusion.py",),
    "evaluate/classification/tables.py": ("evaluate/classification/test_tables.py",),
    "evaluate/twin/protocols.py": (
        "evaluate/twin/test_protocols.py",
        "evaluate/twin/test_pairs.py",
        "leaks/test_protocols.py",
    ),
    "evaluate/baselines/feature_controls.py": ("evaluate/twin/test_controls.py",),
    "evaluate/predictions/embeddings.py": (
        "evaluate/predictions/test_embeddings.py",
        "evaluate/twin/test_protocols.py",
        "evaluate/twin/test_pairs.py",
        "leaks/test_protocols.py",
    ),
    "evaluate/twin/tables.py": ("evaluate/twin/test_tables.py", "leaks/test_protocols.py"),
    "evaluate/baselines/joint_classes.py": ("evaluate/baselines/test_baselines.py",),
    "evaluate/baselines/spectral_clustering.py": ("evaluate/baselines/test_baselines.py",),
    "evaluate/baselines/total_intensity.py": ("evaluate/baselines/test_baselines.py",),
    "evaluate/limit/limit.py": ("evaluate/limit/test_limit.py",),
    "evaluate/limit/likelihood.py": ("evaluate/limit/test_limit.py", "evaluate/limit/test_orientation_refinement.py"),
    "evaluate/limit/orientation_refinement.py": (
        "evaluate/limit/test_orientation_refinement.py",
        "evaluate/limit/test_limit.py",
    ),
    "train/few_shot/classifiers.py": (
        "train/few_shot/test_classifiers.py",
        "train/few_shot/test_logistic.py",
        "train/few_shot/test_mixture.py",
    ),
    "train/few_shot/logistic.py": ("train/few_shot/test_logistic.py", "train/few_shot/test_classifiers.py"),
    "train/few_shot/mixture.py": ("train/few_shot/test_mixture.py",),
    "train/few_shot/support.py": (
        "train/few_shot/test_support.py",
        "train/few_shot/test_classifiers.py",
        "train/few_shot/test_logistic.py",
    ),
    "train/losses/miners.py": ("train/losses/test_triplet.py",),
    "train/losses/triplet.py": ("train/losses/test_triplet.py",),
    "train/losses/multi_output.py": ("train/losses/test_multi_output.py",),
    "train/tasks/validation.py": ("train/tasks/test_validation.py", "train/tasks/test_classify.py"),
    "train/batches/detector_dropout.py": ("train/batches/test_detector_dropout.py",),
    "train/batches/augment.py": ("train/batches/test_augment.py",),
    "train/batches/input_transforms.py": ("train/batches/test_input_transforms.py",),
    "train/batches/batches.py": ("train/batches/test_batches.py",),
    "train/inference/features.py": ("train/inference/test_domain.py",),
    "train/inference/domain.py": ("train/inference/test_domain.py",),
    "train/batches/fresh.py": ("train/batches/test_fresh.py",),
    "train/tasks/embed.py": ("train/tasks/test_embed.py", "leaks/test_learning.py"),
    "simulate/molecules/pdb_archive.py": ("simulate/molecules/test_pdb_archive.py",),
    "simulate/plan/plan.py": ("simulate/plan/test_plan.py",),
    "simulate/plan/shots.py": ("simulate/plan/test_shots.py",),
    "simulate/experiment/photons.py": ("simulate/experiment/test_photons.py",),
    "frames/pixels/table.py": ("frames/pixels/test_table.py",),
    "frames/formats/masks.py": ("frames/formats/test_masks.py",),
}
"""Module -> its quickest tests, under tests/."""

CONFIG = """
[tool.mutmut]
source_paths = ["frames", "simulate", "train", "evaluate", "report", "validate", "screen", "singlehit"]
only_mutate = ["{module}"]
also_copy = ["bench", "config", "config.yaml", "docs", "Makefile", "README.md", "Snakefile", "workflow"]
pytest_add_cli_args = ["-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = [{tests}]
# What is logged decides no number.
do_not_mutate_patterns = ["logger\\\\.", "log\\\\."]
# Threads of torch and numba do not survive a fork of the process that started them.
process_isolation = "forkserver"
# Many times what the tests take; mutmut's own, fifteen times, is minutes for each loop that never ends.
timeout_multiplier = 5
timeout_constant = 5
use_git_change_detection = false
"""


class Tally(NamedTuple):
    """Mutants of a module."""

    mutants: int
    survivors: tuple[str, ...]
    """their names; at first also those that ran out of time, until it is known why"""
    equivalent: tuple[tuple[str, Equivalent], ...] = ()
    """names, and the reasons, of those that nothing could notice"""

    @property
    def killed(self) -> int:
        """Noticed by a test, or by running for ever."""
        return self.mutants - len(self.survivors) - len(self.equivalent)

    @property
    def share(self) -> float:
        """Those killed, of the mutants that change an answer; one where there is none."""
        changing = self.mutants - len(self.equivalent)
        return self.killed / changing if changing else 1.0

    def out_of_date(self, module: str) -> list[Equivalent]:
        """What is excused in a module and was not found among the survivors."""
        return [entry for entry in OF_MODULE.get(module, ()) if entry not in {found for _, found in self.equivalent}]


def prepare(module: str) -> Path:
    """A copy of what git knows of the repository, as it is now, for one module; returns its folder."""
    folder = ROOT / "results" / "mutants" / module.removesuffix(".py").replace("/", ".")
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    tests = ", ".join(f'"tests/{name}"' for name in MODULES[module])
    with (folder / "pyproject.toml").open("a") as stream:
        stream.write(CONFIG.format(module=module, tests=tests))
    return folder


def tally(module: str, folder: Path) -> Tally:
    """What a run left; a mutant that ran out of memory was noticed.

    RuntimeError where mutants were not run.
    """
    codes = json.loads((folder / "mutants" / f"{module}.meta").read_text())["exit_code_by_key"]
    if unknown := [name for name, code in codes.items() if code is None]:
        raise RuntimeError(f"{len(unknown)} mutants of {module} were not run, {unknown[0]} first; run it again")
    # 0: the tests pass. 5, 33: no test reaches it.
    return Tally(len(codes), tuple(name for name, code in codes.items() if code in (0, 5, 33, *OUT_OF_TIME)))


def run_tests(module: str, folder: Path, env: Mapping[str, str], limit_s: int | None = None) -> tuple[int, float, str]:
    """The module's tests, to the first that fails: exit status, time of the processor [s], the end of what they print.

    Parameters
    ----------
    limit_s : what a process may take of the processor, after which it is killed.
    """

    def limited() -> None:
        if limit_s is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))

    tests = [f"tests/{name}" for name in MODULES[module]]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=folder / "mutants",
        env=env,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return run.returncode, taken_s, run.stdout[-2000:] + run.stderr[-2000:]


def noticed_by_all(module: str, name: str, folder: Path, env: Mapping[str, str], limit_s: int) -> bool:
    """Whether one of the module's tests fails with a mutant or never ends; RuntimeError where none runs."""
    status, _, said = run_tests(module, folder, {**env, "MUTANT_UNDER_TEST": name}, limit_s)
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return True
    if status not in (0, 1):
        raise RuntimeError(f"tests of {module} do not run with {name}: {said}")
    return status == 1


def without_equivalent(module: str, found: Tally, mutmut: str, folder: Path) -> Tally:
    """The same, with survivors that change no answer set apart."""
    reasons = {}
    for name in found.survivors:
        lines = list(changes(mutmut, name, folder))
        before, after = (" ".join(line[2:] for line in lines if line[0] == sign) for sign in "-+")
        if (why := reason(module, before, after)) is not None:
            reasons[name] = why
    left = tuple(name for name in found.survivors if name not in reasons)
    return Tally(found.mutants, left, tuple(reasons.items()))


def changes(mutmut: str, name: str, folder: Path) -> Iterator[str]:
    """The lines that a mutant changes, and into what."""
    shown = subprocess.run([mutmut, "show", name], cwd=folder, capture_output=True, text=True, check=True)
    for line in shown.stdout.splitlines():
        if line.startswith(("-", "+")) and not line.startswith(("---", "+++")):
            yield line[0] + " " + line[1:].strip()


def main(argv: list[str] | None = None) -> int:
    """Command line: mutants of one module, or of all; 1 where too few of a module's were noticed."""
    parser = argparse.ArgumentParser(
        prog="python tests/support/programs/mutants.py", description=__doc__.splitlines()[0]
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(MODULES)}")
    parser.add_argument("--mutmut", default="mutmut", help="the program")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at once (default: one a core)")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.modules) - set(MODULES):
        parser.error(f"no tests are known for {', '.join(sorted(unknown))}; known are {', '.join(MODULES)}")
    # Several threads would wait for each other, as mutants run side by side.
    single = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "NUMBA_THREADING_LAYER": "workqueue"}
    single.pop("PYTHONPATH", None)  # it would name the modules that are not changed
    failed = []
    for module in arguments.modules or MODULES:
        folder = prepare(module)
        with (folder / "mutmut.log").open("w") as log:
            done = subprocess.run(
                [arguments.mutmut, "run", "--max-children", str(arguments.processes)],
                cwd=folder,
                env=single,
                stdout=log,
                stderr=log,
                check=False,
            )
        if done.returncode:
            print(f"{module}: mutmut failed, see {log.name}", file=sys.stderr)
            return 2
        first = without_equivalent(module, tally(module, folder), arguments.mutmut, folder)
        status, tests_s, said = run_tests(module, folder, {**single, "MUTANT_UNDER_TEST": ""})
        if status:
            print(f"{module}: its tests fail without any mutant: {said}", file=sys.stderr)
            return 2
        limit_s = AT_LEAST_S + int(TIMES * tests_s)
        found = first._replace(
            survivors=tuple(
                name for name in first.survivors if not noticed_by_all(module, name, folder, single, limit_s)
            )
        )
        print(
            f"{module}: {found.mutants} mutants, {len(found.equivalent)} change nothing, "
            f"{found.killed} killed ({found.share:.1%} of the others)",
            flush=True,
        )
        for name in found.survivors:
            print(f"  {name.rpartition('.')[2]}", *changes(arguments.mutmut, name, folder), sep="\n    ", flush=True)
        for entry in found.out_of_date(module):
            print(f"  no survivor is excused by {entry.was!r} -> {entry.now!r}: take it out of equivalent_mutants.py")
        if found.share < ENOUGH or found.out_of_date(module):
            failed.append(module)
    if failed:
        print(
            f"too few mutants noticed (below {ENOUGH:.0%}), or excuses out of date: {', '.join(failed)}",
            file=sys.stderr,
        )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

"""The command `singlehit`: hands on, and tells what goes wrong in a line."""

import importlib
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from singlehit import command
from singlehit.command import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]


def process(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_entry_point_is_there() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["singlehit"].split(":")
    assert list(scripts) == ["singlehit"]
    assert getattr(importlib.import_module(module), name) is main


@pytest.mark.parametrize("given", [[], ["--help"], ["-h"]])
def test_alone_it_lists_all_in_a_line_each(given: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main(given) == 0
    shown = capsys.readouterr().out.splitlines()
    for name, one in COMMANDS.items():
        assert f"  {name:10}{one.says}" in shown
    assert max(map(len, shown)) <= 80


def test_listing_loads_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); from singlehit.command import main; main([]); print(len(sys.modules))"
    )
    code += "; print(sorted({m.split('.')[0] for m in sys.modules} & {'numpy', 'torch', 'frames', 'train', 'pandas'}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(("wrong", "meant"), [("exprt", "export"), ("clasify", "classify"), ("zebra", None)])
def test_an_unknown_command_is_told(wrong: str, meant: str | None, capsys: pytest.CaptureFixture) -> None:
    assert main([wrong, "x"]) == 2
    said = capsys.readouterr()
    hint = f"did you mean `singlehit {meant}`?" if meant else "`singlehit --help` lists them"
    assert (said.out, said.err) == ("", f"singlehit has no command {wrong!r}; {hint}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_called_by_its_name_in_its_help(name: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith(f"usage: singlehit {name} ")
    assert f"singlehit {name} " in shown.split("usage: ", 1)[1]
    assert "python -m" not in shown
    for run, kind, named in re.findall(r"results/([\w-]+)(?:/(datasets|models|twins)/([\w-]+))?", shown):
        config = yaml.safe_load((ROOT / "config" / f"{run}.yaml").read_text())
        assert config["run"] == run
        simulated = config.get("simulation", config.get("sfx"))["datasets"]
        assert not kind or named in simulated, f"the example's {named} is not made by config/{run}.yaml"


WRITES = ("export", "classify", "select", "hits", "peaks", "virus", "screen", "tabulate")


@pytest.mark.parametrize("name", WRITES)
def test_where_to_write_is_said_alike(name: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert re.search(r"^  -o \w+, --out", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError("the fluence is -1, expected more than 0"), 2, "singlehit export: the fluence is -1, expected"),
        (PermissionError(13, "Permission denied", "a"), 2, "singlehit export: [Errno 13] Permission denied: 'a'"),
        (ModuleNotFoundError("No module named 'onnx'"), 2, "singlehit export: No module named 'onnx'; `make install`"),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_wrong_is_a_line(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(argv: list[str]) -> int:
        assert argv == ["a"]
        raise error

    monkeypatch.setattr(command.importlib, "import_module", lambda _: SimpleNamespace(main=failing))
    assert main(["export", "a"]) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(said)
    assert shown.err.count("\n") == bool(said)


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(argv: list[str]) -> int:
        raise TypeError("unsupported operand")

    monkeypatch.setattr(command.importlib, "import_module", lambda _: SimpleNamespace(main=mistaken))
    with pytest.raises(TypeError):
        main(["export"])


def test_verify_and_repair_are_the_module_s_actions(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("verify", "repair"):
        assert main([name, str(tmp_path / "none")]) == 2
        assert capsys.readouterr().err == (
            f"{tmp_path}/none holds no dataset: there is no layout.json; expected .../datasets/<name>\n"
        )


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    code = "import sys; sys.stdin.read(); from singlehit.command import COMMANDS, run, Command; "
    code += "COMMANDS['say'] = Command('say', ''); raise SystemExit(run('say', []))"
    (tmp_path / "say.py").write_text("def main(argv):\n    print('x' * 100_000)\n    return 0\n")
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdin is not None
    assert started.stdout is not None
    assert started.stderr is not None
    started.stdout.close()
    started.stdin.close()  # which it waits for before it prints
    assert (started.stderr.read(), started.wait(timeout=60)) == ("", 0)


def test_ctrl_c_is_quiet(tmp_path: Path) -> None:
    """Of a command that waits: a pipe that nobody writes to, in place of its config."""
    os.mkfifo(tmp_path / "config.yaml")
    started = subprocess.Popen(
        [sys.executable, "-m", "singlehit", "estimate", str(tmp_path / "config.yaml")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored behind `&` of a shell
    )
    with (tmp_path / "config.yaml").open("w"):  # returns once it is read from
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=60)
    assert (started.returncode, out, err) == (130, "", "")


@pytest.mark.parametrize(
    ("old", "given", "new"),
    [
        ("simulate.dataset", ["verify"], "verify"),
        ("simulate.dataset", ["repair"], "repair"),
        ("simulate.export", ["--format", "cxi", "--output", "a.cxi"], "export"),
        ("train.embed", ["-o", "a.csv", "none"], "select"),
        ("evaluate.estimate", [], "estimate"),
    ],
)
def test_commands_of_before_hand_on_and_say_so(old: str, given: list[str], new: str, tmp_path: Path) -> None:
    done = process(old, *given, "none", cwd=tmp_path)
    said, *told = done.stderr.splitlines()
    assert said == f"`python -m {old}` is now `singlehit {new}`"
    assert done.returncode == 2
    assert (
        told
        == process("singlehit", new, *[word for word in given if word != new], "none", cwd=tmp_path).stderr.splitlines()
    )
    assert len(told) == 1

"""Config files: what is in them, and where, for messages that name file and line."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

KEY = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")
"""The dotted key that a message begins with."""


class _EveryKeyOnce(yaml.SafeLoader):
    """Reads YAML, as `yaml.safe_load` does, in which a key that is there twice is an error and not the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        marks: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if (first := marks.setdefault(str(key.value), key.start_mark)) is not key.start_mark:
                problem = f"{key.value} is there already, in line {first.line + 1}; keep one of them, or rename it"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


def read_config(path: Path | str) -> dict[str, Any]:
    """The mapping in a YAML file, for `load_config`.

    Raises
    ------
    OSError; ValueError naming line and column where it is no UTF-8, no YAML or has a key twice, and where it is no
    mapping.
    """
    try:
        mapping = _EveryKeyOnce(Path(path).read_text(encoding="utf-8")).get_single_data()
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ValueError(
            f"{path}, line {line}, column {column}: byte 0x{error.object[error.start]:02x} is no UTF-8; "
            "save the file as UTF-8"
        ) from error
    except yaml.MarkedYAMLError as error:
        raise ValueError(f"{path}, {_where(error)}: {_what(error)}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path} is no config: {error}") from error
    if not isinstance(mapping, dict):
        raise ValueError(
            f"{path} is no config: expected keys (run, title, simulation, ...), found {shortened(mapping)}"
        )
    return mapping


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"


def _what(error: yaml.MarkedYAMLError) -> str:
    """What is wrong, in words of who wrote the file."""
    problem = str(error.problem)
    if "'\\t'" in problem:
        return "a tab; indent with spaces"
    if "expected ':'" in problem and error.context_mark:
        return f"a colon is missing after the key of line {error.context_mark.line + 1}"
    if "mapping values are not allowed" in problem:
        return "no key can stand here; is a colon missing in the line before, or is it indented otherwise than others?"
    return problem


class Places:
    """Where the keys of a config stand in the files that it was read from, of which a later one overrides."""

    def __init__(self, files: Iterable[Path | str]) -> None:
        self._files = [
            (file, yaml.compose(Path(file).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)) for file in files
        ]

    def told(self, problems: Sequence[str]) -> list[str]:
        """Messages that begin with a dotted key, with file and line before it, in their order there."""
        return [text for _, text in sorted(map(self._placed, problems), key=lambda placed: placed[0])]

    def _placed(self, problem: str) -> tuple[tuple[int, int, int], str]:
        """Number of the file, line and column of a message, and the message with them."""
        key = KEY.match(problem)
        places = [(*_found(root, key[0].split(".") if key else []), n) for n, (_, root) in enumerate(self._files)]
        _, mark, n = max(reversed(places), key=lambda place: place[0], default=(0, None, 0))
        if mark:
            return (n, mark.line, mark.column), f"{self._files[n][0]}, line {mark.line + 1}: {problem}"
        return (n, -1, 0), f"{self._files[0][0]}: {problem}" if len(places) == 1 else problem


def _found(node: yaml.Node | None, key: Sequence[str]) -> tuple[int, yaml.Mark | None]:
    """How many parts of a dotted key there are below a node, and where the last is; what is not there is passed."""
    depth, mark = 0, None
    for part in key:
        if entry := _entry(node, part):
            (mark, node), depth = entry, depth + 1
    return depth, mark


def _entry(node: yaml.Node | None, part: str) -> tuple[yaml.Mark, yaml.Node] | None:
    """Where a key, a number in a list or a name in it stands, and what it holds; merged keys are those of the node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark, value
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if entry := _entry(merged, part):
                        return entry
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            if part == str(number) or part == value.value:
                return value.start_mark, value
    return None


def listed(problems: Sequence[str], files: Iterable[Path | str]) -> str:
    """Problems that each begin with a dotted key, a line each, with where in the files of the config it stands."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n  ".join([f"{count} in the config:", *Places(files).told(problems)])


def shortened(value: Any) -> str:
    """A value for a message, of at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

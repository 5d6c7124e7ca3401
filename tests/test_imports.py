"""Who may import whom, and what stays unloaded until it is needed; DESIGN.md, section 4."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import click
import pytest

import deid
from deid.cli import _COMMANDS, main

PACKAGE = Path(deid.__file__).parent
README = PACKAGE.parent / "README.md"

# A room may import from rooms below it, and from itself; rooms on one floor are siblings.
FLOORS = (
    {"note", "errors", "lean", "audit.measures"},
    {"registry", "keys", "audit.gates", "audit.tally"},
    {"policy"},
    {"formats", "encoder", "resolve", "operate", "audit.log"},
    {"detect", "audit.bounds", "audit.pages"},
    {"run", "audit.i2b2", "audit.perturb", "audit.problems", "audit.safe_harbor"},
    {"audit.evaluate", "audit.sample", "authoring", "run.spark"},
    {"audit.stress", "audit.review"},
    {"audit.evidence", "audit.evaluation_page"},
    {"audit.risks"},
    {"audit.report"},
    {"cli"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ROOM_OF_FILE = dict.fromkeys(("policy_file", "policy_operators"), "policy")  # a room of three files
FACADE = {"", "__main__"}  # `deid` re-exports names when they are asked for; `python -m deid` is the command

# Library -> rooms that may import it; `run` knows pandas by name for its Series.
LIBRARIES = {
    "presidio_analyzer": {"detect"},
    "presidio_anonymizer": {"operate"},
    "spacy": {"detect"},
    "re2": {"detect", "authoring"},
    "ahocorasick": {"detect"},
    "torch": {"encoder"},
    "transformers": {"encoder"},
    "tokenizers": {"encoder"},
    "safetensors": {"encoder"},
    "openvino": {"encoder"},
    "onnx": {"encoder"},
    "onnxruntime": {"encoder"},
    "pyarrow": {"formats", "run.spark"},
    "pyspark": {"run.spark"},
    "py4j": {"run.spark"},
    "lxml": {"formats"},
    "adbc_driver_manager": {"formats"},
    "adbc_driver_postgresql": {"formats"},
    "adbc_driver_duckdb": {"formats"},
    "duckdb": {"formats"},
    "scipy": {"audit.bounds"},
    "pandas": {"run"},
    "click": {"cli"},
    "rich": {"cli"},
    "starlette": {"authoring"},
    "uvicorn": {"authoring"},
    "jinja2": {"audit.pages", "authoring"},
    "cryptography": {"keys", "operate"},
}
HEAVY = (*LIBRARIES.keys() - {"click"}, "numpy", "pydantic", "yaml", "thinc", "multiprocessing")


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


@cache
def _imports(path: Path) -> tuple[tuple[int, str], ...]:
    """Return line and full name of all that a file imports, in functions and for types too."""
    package = "deid." + ".".join(path.relative_to(PACKAGE).parts[:-1])
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            base = resolve_name(name, package.rstrip(".")) if node.level else name
            found += ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
    return tuple(found)


def _room(module: str) -> str:
    """Return the room of a module such as ``operate.apply``, or of a name in it."""
    parts = module.split(".")
    if parts[0] == "audit" or parts[:2] == ["run", "spark"]:
        return ".".join(parts[:2])
    return ROOM_OF_FILE.get(parts[0], parts[0])


def _faults(module: str, path: Path) -> Iterator[str]:
    room = _room(module)
    for line, name in _imports(path):
        where = f"{path.relative_to(PACKAGE)}:{line}"
        top, _, rest = name.partition(".")
        if top == "deid":
            target = _room(rest)
            if target not in FLOOR_OF:
                if rest:
                    yield f"{where}: imports {name}, which has no place in the layering"
            elif target != room and FLOOR_OF[target] >= FLOOR_OF[room]:
                yield f"{where}: {room} imports {target}, which is {_relation(room, target)}"
        elif room not in LIBRARIES.get(top, {room}):
            yield f"{where}: {room} imports {top}"


def _relation(room: str, target: str) -> str:
    return "its sibling" if FLOOR_OF[room] == FLOOR_OF[target] else "above it"


def test_every_module_has_a_place() -> None:
    rooms = {_room(module) for module, _ in _modules()} - FACADE - {"audit"}
    assert rooms == set(FLOOR_OF)


def test_arrows_point_one_way_and_libraries_stay_in_their_rooms() -> None:
    found = [
        fault
        for module, path in _modules()
        if module not in FACADE
        for fault in sorted(_faults(module, path))
    ]
    assert found == []


def test_a_wrong_import_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "operate").mkdir()
    path = tmp_path / "operate" / "new.py"
    path.write_text(
        "import deid\nfrom . import mask\nfrom ..formats import gold\nimport deid.run.work\n"
        "def f():\n    from torch import nn\n    from deid.errors import DeidError\n    import deid.utils\n"
    )
    assert list(_faults("operate.new", path)) == [
        "operate/new.py:3: operate imports formats, which is its sibling",
        "operate/new.py:4: operate imports run, which is above it",
        "operate/new.py:6: operate imports torch",
        "operate/new.py:8: imports deid.utils, which has no place in the layering",
    ]


def _loaded(code: str) -> set[str]:
    """Run code in a fresh process and return the top-level names of the modules it has loaded then."""
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stderr)}


_HELP = """
from deid.cli import main
main({arguments!r}, standalone_mode=False)
"""


@pytest.mark.parametrize(
    "code",
    ["import deid", _HELP.format(arguments=["--help"]), _HELP.format(arguments=["--version"])],
    ids=["import", "help", "version"],
)
def test_the_start_is_light(code: str) -> None:
    assert _loaded(code).intersection(HEAVY) == set()


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_the_help_of_a_command_is_light(command: str) -> None:
    assert _loaded(_HELP.format(arguments=[command, "--help"])).intersection(HEAVY) == set()


def test_policies_are_read_without_the_pipeline() -> None:
    loaded = _loaded("import deid\ndeid.load_policy('safe-harbor')")
    assert "pydantic" in loaded
    assert (
        loaded.intersection({"torch", "transformers", "presidio_analyzer", "spacy", "pandas", "pyarrow"})
        == set()
    )


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if path:
        yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if (each := command.get_command(context, name)) is not None:
                yield from _commands(each, (*path, name))


_ALL = dict(_commands(main))


@pytest.mark.parametrize("path", _ALL)
def test_every_command_has_help_and_every_option_is_explained(path: str) -> None:
    command = _ALL[path]
    assert command.help
    assert command.get_short_help_str(), path
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


@pytest.mark.parametrize("path", [path for path, each in _ALL.items() if not isinstance(each, click.Group)])
def test_every_command_has_an_example(path: str) -> None:
    _, sign, example = (_ALL[path].help or "").partition("Example")
    assert sign, f"deid {path} --help shows no example"
    assert f"deid {path}" in example


def test_the_list_of_commands_is_complete() -> None:
    files = {path.stem for path in (PACKAGE / "cli").glob("*.py")} - {"__init__", "options"}
    assert {name for name in files if not name.startswith("policy_")} == set(_COMMANDS)


# README.md is the one file outside the package that this page depends on.
@pytest.mark.parametrize("path", [path for path, each in _ALL.items() if not isinstance(each, click.Group)])
def test_the_readme_knows_every_command(path: str) -> None:
    text = README.read_text(encoding="utf-8")
    group, _, name = path.partition(" ")
    lines = [line for line in text.splitlines() if re.search(rf"\bdeid {group}\b", line)]
    assert any(re.search(rf"\b{name}\b", line) for line in lines), f"README.md does not name deid {path}"

"""Mends in a policy file what can be mended without a decision, and leaves every other line as it is."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deid.authoring.edit import load_policy_text, read_policy_text, save_policy_text, with_value
from deid.authoring.lint import places
from deid.authoring.lint_law import LETTERS
from deid.authoring.lint_rule import value
from deid.authoring.lint_wording import as_marked
from deid.errors import UsageError
from deid.policy import DETECTORS, OperatorSpec, ResolvedPolicy, policy_directory, valid_keys
from deid.policy_file import KeyPath, YamlFile, dotted, parse_yaml

if TYPE_CHECKING:
    from deid.encoder.weights import Calibration

Change = tuple[KeyPath, Any]
_SURE = 0.7  # a misspelled key is renamed to one at least this similar
_BY_SUGGEST = "# deid policy suggest:"


@dataclass(frozen=True, slots=True)
class Mended:
    """A policy file's text with what could be mended.

    Args:
        path: The file.
        before: Its text, lines ended by LF.
        after: The text mended; the same if nothing could be.
        done: What was mended: the code of the finding (``key`` for a misspelled key) and the key path.
        digest: Of the file's bytes, so that a change made meanwhile is noticed.
    """

    path: Path
    before: str
    after: str
    done: tuple[tuple[str, str], ...]
    digest: str

    @property
    def diff(self) -> str:
        """The changes as a unified diff; empty if there are none."""
        lines = (self.before.splitlines(keepends=True), self.after.splitlines(keepends=True))
        return "".join(difflib.unified_diff(*lines, str(self.path), f"{self.path} (mended)", n=2))

    def save(self) -> None:
        """Write the text to the file, at once or not at all.

        Raises:
            UsageError: if the file has changed since.
            PolicyError: if the text does not load.
            InputOutputError: if the file cannot be written.
        """
        if self.after != self.before:
            save_policy_text(self.path, self.after, base=self.digest)


def mend(name_or_path: str | Path) -> Mended:
    """Mend what needs no decision: misspelled keys, and findings with one way to mend them.

    Only the file itself changes: what is wrong in a parent is overridden in it.

    Args:
        name_or_path: A policy file that does not ship with the package.

    Raises:
        UsageError: if it is a shipped policy.
        PolicyError: if it cannot be loaded, even with its keys mended.
        InputOutputError: if it cannot be read.
    """
    path = _own_file(name_or_path)
    before, digest = read_policy_text(path)
    text, done = _with_known_keys(before, path)
    refused: set[tuple[str, str]] = set()
    while (passed := _pass(text, path, refused))[1]:
        text = passed[0]
        done += passed[1]
    return Mended(path, before, text, done, digest)


def _own_file(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    named = isinstance(name_or_path, Path) or "/" in str(name_or_path) or path.suffix in (".yaml", ".yml")
    if not named or path.resolve().is_relative_to(policy_directory().resolve()):
        raise UsageError(
            f"{name_or_path} ships with the package and is not changed; write a policy of your own that"
            f" extends it: deid policy new ours.yaml --extends {path.stem}"
        )
    return path


def _pass(text: str, path: Path, tried: set[tuple[str, str]]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Mend what is found in a text; return the text, and what was mended.

    Args:
        text: The text.
        path: Its file.
        tried: Findings that are left alone; those of this pass are added.
    """
    resolved, before = load_policy_text(text, path), text
    found = [each for each in places(resolved.policy) if (each[0], dotted(each[1])) not in tried]
    # What is wrong with the default operator shows on many types, and is mended before them.
    found = [each for each in found if each[0] == "DP009"] or found
    done: list[tuple[str, str]] = []
    changed: set[KeyPath] = set()
    for code, keys in found:
        tried.add((code, dotted(keys)))
        make = _CHANGES.get(code)
        change = None if make is None else make(keys, resolved)
        judged = code == "DP018" and _is_judged(before, resolved.files[0], keys)
        if change is None or change[0] in changed or judged:
            continue
        try:
            text = with_value(text, *change)
        except UsageError:
            continue
        changed.add(change[0])
        done.append((code, dotted(keys)))
    return text, tuple(done)


def _is_judged(text: str, file: YamlFile, keys: KeyPath) -> bool:
    """Say whether a threshold rests on candidates that somebody judged, as its comment then says."""
    line, _ = file.marks.get(keys, (0, 0))
    return bool(line) and _BY_SUGGEST in text.split("\n")[line - 1]


def _operator(resolved: ResolvedPolicy, keys: KeyPath) -> OperatorSpec:
    return resolved.policy.type(str(keys[1])).operator


def _generalized(target: str) -> Callable[[KeyPath, ResolvedPolicy], Change]:
    return lambda keys, _: (keys, {"generalize": {"to": target}})


def _year(keys: KeyPath, resolved: ResolvedPolicy) -> Change:
    of_dates = value(resolved.policy.type(str(keys[1]))) == "date"
    return keys, {"generalize": {"to": "year"}} if of_dates else "redact"


def _without(parameter: str) -> Callable[[KeyPath, ResolvedPolicy], Change]:
    """Leave a parameter out, in the default operator where the type has none of its own."""

    def change(keys: KeyPath, resolved: ResolvedPolicy) -> Change:
        operator = _operator(resolved, keys)
        params = {name: each for name, each in operator.params.items() if name != parameter}
        made = OperatorSpec(name=operator.name, params=params).as_file()
        return resolved.operator_keys(str(keys[1])), made

    return change


def _removed(keys: KeyPath, resolved: ResolvedPolicy) -> Change:
    if _operator(resolved, keys).name == "mask":
        return _without("keep_last")(keys, resolved)
    return resolved.operator_keys(str(keys[1])), "redact"


def _random_code(keys: KeyPath, resolved: ResolvedPolicy) -> Change | None:
    operator = _operator(resolved, keys)
    if operator.name != "pseudonym":
        return None  # a hash may be meant to link records: somebody has to decide
    return keys, {"pseudonym": {**operator.params, "code": "random"}}


def _rules_too(keys: KeyPath, resolved: ResolvedPolicy) -> Change:
    kind = resolved.policy.type(str(keys[1]))
    return (*keys[:2], "detect"), [name for name in DETECTORS if name == "rules" or name in kind.detect]


def _known_letters(keys: KeyPath, resolved: ResolvedPolicy) -> Change | None:
    written = (resolved.policy.type(str(keys[1])).hipaa or "").upper()
    if any(sign.isalnum() and sign not in LETTERS for sign in written):
        return None
    return keys, "".join(sorted(set(written) & set(LETTERS)))


def _census(keys: KeyPath, resolved: ResolvedPolicy) -> Change:
    return (keys, "union") if keys == ("zip3_census",) else _without("zip3_census")(keys, resolved)


def _shifted_alike(keys: KeyPath, resolved: ResolvedPolicy) -> Change:
    first = next(kind.operator for kind in resolved.policy.types if kind.operator.name == "shift_date")
    way = {name: each for name, each in first.params.items() if name in ("max_days", "weekday")}
    own = _operator(resolved, keys).params
    rest = {name: each for name, each in own.items() if name not in ("max_days", "weekday")}
    return keys, OperatorSpec(name="shift_date", params={**way, **rest}).as_file()


def _as_marked(keys: KeyPath, resolved: ResolvedPolicy) -> Change | None:
    kind = resolved.policy.type(str(keys[1]))
    example = as_marked(kind, kind.examples[int(keys[3])])
    return (keys, example) if example else None


def _calibrated(keys: KeyPath, resolved: ResolvedPolicy) -> Change | None:
    """Leave the threshold to the shipped model, unless that would find less."""
    from deid.encoder.model import calibrated_threshold

    kind = resolved.policy.type(str(keys[1]))
    higher = kind.threshold == "calibrated" or kind.threshold > calibrated_threshold(
        _calibration(), kind.name, kind
    )
    return (keys, "calibrated") if higher else None


@cache
def _calibration() -> Calibration:
    from deid.encoder.weights import ModelFolder, default_folder

    return ModelFolder.open(default_folder()).calibration()


# What else lint finds asks for words or a decision of somebody's own.
_CHANGES: Mapping[str, Callable[[KeyPath, ResolvedPolicy], Change | None]] = {
    "DP002": _year,
    "DP003": _generalized("zip3"),
    "DP004": _generalized("age_90_plus"),
    "DP005": _random_code,
    "DP006": _removed,
    "DP007": _removed,
    "DP009": lambda keys, _: (keys, "redact"),
    "DP016": _rules_too,
    "DP017": _known_letters,
    "DP018": _calibrated,
    "DP019": _census,
    "DP020": _generalized("age_90_plus"),
    "DP023": _shifted_alike,
    "DP024": _without("max_days"),
    "DP025": _without("length"),
    "DP026": _without("code"),
    "DP029": _as_marked,
}
MENDED_CODES = tuple(_CHANGES)


def _with_known_keys(text: str, path: Path) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Rename keys that no policy has and that are nearly one that a policy has."""
    done: list[tuple[str, str]] = []
    while found := next(_misspelled(parse_yaml(text.encode(), path)), None):
        keys, right, line, column = found
        lines = text.split("\n")
        wrong = str(keys[-1])
        if not lines[line - 1].startswith(f"{wrong}:", column - 1):
            break
        lines[line - 1] = lines[line - 1][: column - 1] + right + lines[line - 1][column - 1 + len(wrong) :]
        text = "\n".join(lines)
        done.append(("key", dotted((*keys[:-1], right))))
    return text, tuple(done)


def _misspelled(file: YamlFile) -> Iterator[tuple[KeyPath, str, int, int]]:
    for keys, (line, column) in file.marks.items():
        valid = valid_keys(keys[:-1]) if keys and isinstance(keys[-1], str) else None
        if not valid or keys[-1] in valid:
            continue
        here: Any = file.data
        for key in keys[:-1]:
            here = here[key]
        near = get_close_matches(str(keys[-1]), set(valid) - set(here), n=1, cutoff=_SURE)
        if near:
            yield keys, near[0], line, column

"""Rules as data: reads, checks and selects the files in ``deid/detect/rules``.

A rule file is YAML with a list ``rules``, whose entries have the keys of `RuleEntry`, and optionally a
mapping ``parts`` of fragments that patterns of the file insert as ``{{name}}``.

Patterns are in google-re2 syntax (linear time: no look-around, no back-references) and see the *folded* text
of `deid.detect.fold`: they need not know non-breaking spaces, typographic dashes and quotes, full-width
digits, zero-width characters or CRLF. Where the group ``phi`` takes no part in a match, the match is skipped:
so ``NDC \\d+|(?P<phi>\\d+)`` steps over the codes that it is not about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any

import re2
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deid.detect.fold import fold
from deid.detect.rule_checks import CHECKS
from deid.errors import PolicyError, UsageError, unknown_name
from deid.policy import Policy
from deid.policy_file import dotted

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARK = "phi"
_PART = re.compile(r"\{\{(\w+)\}\}")
# Letters by blocks, not one by one: with a class of a few ranges instead of six hundred, patterns compile in
# a seventh of the time. Where a block holds both cases in turn (Latin Extended, Cyrillic Supplement,
# Vietnamese), both count as either; of the signs that are no letters only rare ones of other scripts are in.
_CASED = r"\x{100}-\x{2AF}\x{460}-\x{52F}\x{1E00}-\x{1FFF}"
_UNCASED = (
    r"\x{AA}\x{B5}\x{BA}\x{560}-\x{10FF}\x{1100}-\x{1DFF}\x{2C00}-\x{2DFF}\x{3040}-\x{D7FF}\x{F900}-\x{FEFE}"
)
_UPPER = r"A-Z\x{C0}-\x{D6}\x{D8}-\x{DE}\x{370}-\x{3AB}\x{400}-\x{42F}\x{531}-\x{556}" + _CASED
_LOWER = r"a-z\x{DF}-\x{F6}\x{F8}-\x{FF}\x{3AC}-\x{3FF}\x{430}-\x{45F}\x{557}-\x{55F}" + _CASED
_CLASSES = {"L": _UPPER + _LOWER + _UNCASED, "Lu": _UPPER, "Ll": _LOWER}
_IN_PATTERN = re.compile(r"\\p(?:\{(L[ul]?)\}|(L))|\\.|[\[\]]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern for one entity type.

    Args:
        name: Unique; the evidence of its findings.
        entity_type: The type it finds.
        pattern: In google-re2 syntax; its group ``phi`` marks the mention, else the whole match is it.
        score: Confidence of a finding, in 0..1.
        ignore_case: Whether letters match in both cases.
        check: Name of a check in `deid.detect.rule_checks` on the matched surface; none if empty.
        source: Where the format is defined.
        match: Marked texts in which it finds exactly the marked spans.
        reject: Texts in which it finds nothing.
    """

    name: str
    entity_type: str
    pattern: str
    score: float
    ignore_case: bool = False
    check: str = ""
    source: str = ""
    match: tuple[str, ...] = ()
    reject: tuple[str, ...] = ()


class RuleEntry(BaseModel):
    """An entry of a rule file, with the arguments of `Rule`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")]
    entity_type: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    pattern: Annotated[str, Field(min_length=1)]
    score: Annotated[float, Field(gt=0, le=1)]
    ignore_case: bool = False
    check: str = ""
    source: str = ""
    match: list[str] = []
    reject: list[str] = []

    @model_validator(mode="after")
    def _pattern_and_check_exist(self) -> RuleEntry:
        compile_pattern(self.pattern, ignore_case=self.ignore_case)
        if self.check and self.check not in CHECKS:
            raise ValueError(unknown_name("check", self.check, CHECKS))
        return self


class _RuleFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    parts: dict[str, str] = {}
    rules: list[RuleEntry]

    @model_validator(mode="before")
    @classmethod
    def _insert_parts(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("parts"), dict):
            return data
        parts: dict[str, str] = {}
        for name, fragment in data["parts"].items():
            parts[name] = _insert(fragment, parts)
        entries = data.get("rules")
        if not isinstance(entries, list):
            return data
        return data | {
            "rules": [
                entry | {"pattern": _insert(entry["pattern"], parts)} if "pattern" in entry else entry
                for entry in entries
                if isinstance(entry, dict)
            ]
        }


def _insert(pattern: Any, parts: Mapping[str, str]) -> Any:
    def fragment(match: re.Match[str]) -> str:
        if match[1] not in parts:
            raise ValueError(unknown_name("part", match[1], parts, hint="a part may use those above it"))
        return f"(?:{parts[match[1]]})"

    return _PART.sub(fragment, pattern) if isinstance(pattern, str) else pattern


def _by_blocks(pattern: str) -> str:
    """Write the letter classes of a pattern out as ranges of blocks."""
    inside = False

    def part(match: re.Match[str]) -> str:
        nonlocal inside
        if name := match[1] or match[2]:
            return _CLASSES[name] if inside else f"[{_CLASSES[name]}]"
        # ``[]...]`` and ``[[:alpha:]]`` are not written in rules: folding and \\p do without them.
        inside = {"[": True, "]": False}.get(match[0], inside)
        return match[0]

    return _IN_PATTERN.sub(part, pattern)


@lru_cache(maxsize=4096)  # the rules of several policies; re2 keeps fewer than one has
def compile_pattern(pattern: str, *, ignore_case: bool) -> Any:
    """Compile a pattern for folded UTF-8 bytes; ``^`` and ``$`` match at line ends.

    Args:
        pattern: In google-re2 syntax.
        ignore_case: Whether letters match in both cases.

    Raises:
        ValueError: if it does not compile, marks more than one group, can match nothing, or holds a sign that
            folding replaces and that it would therefore never meet.
    """
    folded = fold(pattern).text
    if folded != pattern:
        place = next(
            (at for at, (a, b) in enumerate(zip(pattern, folded, strict=False)) if a != b), len(folded)
        )
        raise ValueError(
            f"character {place + 1} is U+{ord(pattern[place]):04X}, which the text has no more when rules "
            "read it; write the plain ASCII sign, or leave out a zero-width character"
        )
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.log_errors = False
    try:
        compiled = re2.compile(f"(?m){_by_blocks(pattern)}".encode(), options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(
            f"not google-re2 syntax: {reason.decode() if isinstance(reason, bytes) else reason}"
        ) from None
    if compiled.groups > 1 or (compiled.groups and _MARK.encode() not in compiled.groupindex):
        raise ValueError("one group may capture, (?P<phi>…); write all others as (?:…)")
    if compiled.search(b"") is not None:
        raise ValueError("it matches the empty text")
    return compiled


def load_rules(path: Traversable) -> tuple[Rule, ...]:
    """Read one rule file.

    Args:
        path: The file, UTF-8.

    Raises:
        UsageError: with the file, the key path and what is wrong.
    """
    try:
        entries = _RuleFile.model_validate(yaml.load(path.read_bytes(), _LOADER)).rules
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{path.name}:{line}: {error.problem or 'not valid YAML'}") from None
    except ValidationError as error:
        lines = [
            f"{path.name}: {dotted(detail['loc'])}: {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise UsageError("\n".join(lines)) from None
    return tuple(
        Rule(
            **entry.model_dump(exclude={"match", "reject"}),
            match=tuple(entry.match),
            reject=tuple(entry.reject),
        )
        for entry in entries
    )


@cache
def shipped_rules() -> tuple[Rule, ...]:
    """Return the rules that come with the package, file by file in alphabetical order.

    Raises:
        UsageError: if a file is wrong or two rules have one name.
    """
    folder = files("deid.detect").joinpath("rules")
    paths = sorted(
        (path for path in folder.iterdir() if path.name.endswith(".yaml")), key=lambda path: path.name
    )
    rules = tuple(rule for path in paths for rule in load_rules(path))
    names = [rule.name for rule in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"rule names used more than once: {', '.join(twice)}")
    return rules


def rules_from_policy(policy: Policy, *, shipped: Iterable[Rule] | None = None) -> tuple[Rule, ...]:
    """Return the rules that run under a policy: shipped ones and those of its ``patterns``.

    Only types whose ``detect`` includes ``rules`` have any.

    Args:
        policy: The policy.
        shipped: The rules to select from; those that come with the package when None.

    Raises:
        PolicyError: if one of the policy's patterns is wrong; with its key path.
    """
    types = {kind.name: kind for kind in policy.types if "rules" in kind.detect}
    chosen = [rule for rule in (shipped_rules() if shipped is None else shipped) if rule.entity_type in types]
    for name, kind in types.items():
        for index, spec in enumerate(kind.patterns):
            try:
                compile_pattern(spec.regex, ignore_case=spec.ignore_case)
            except ValueError as error:
                where = f"policy {policy.name}: types.{name}.patterns[{index}].regex"
                raise PolicyError(f"{where}: {error}") from None
            own_name = f"policy:{name}.patterns[{index}]"
            chosen.append(Rule(own_name, name, spec.regex, spec.score, spec.ignore_case))
    return tuple(chosen)

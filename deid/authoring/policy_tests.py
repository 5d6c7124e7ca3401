"""Unit tests of a policy: texts with every mention marked, and what the pipeline makes of them.

``NAME.tests.yaml`` stands beside ``NAME.yaml``::

    policy: safe-harbor          # a shipped name, or a path relative to this file
    tests:
      - name: titles are no part of a name
        text: Seen by Dr. ⟦CLINICIAN_NAME|Ana Lima⟧.
      - name: an eponym is nobody
        text: Foley removed.
        only: [CLINICIAN_NAME]   # judge these types alone
      - name: a nickname alone
        text: Seen by ⟦CLINICIAN_NAME|Ollie⟧.
        known_miss: true         # reported, and no failure until it is found
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from deid.audit.problems import shape_of
from deid.errors import NoteError, PolicyError, UsageError
from deid.formats.markup import GoldMention, read_marked
from deid.note import Note, Span
from deid.policy import TESTS_SUFFIX, Policy, TypeName, load_policy, policy_directory
from deid.policy_file import read_yaml, validate

Kind = Literal["missed", "in part", "as another type", "wrongly found"]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=120)]
    text: Annotated[str, Field(min_length=1, max_length=20_000)]
    only: tuple[TypeName, ...] = ()
    known_miss: bool = False


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Annotated[str, Field(min_length=1)]
    tests: Annotated[tuple[_Entry, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """A text with its mentions.

    Args:
        name: What the test shows.
        text: The plain text.
        mentions: What must be found.
        only: Types that are judged; all when empty.
        known_miss: Whether it is known to go wrong; it fails once it does not.
        line: Line of the test in its file.
    """

    name: str
    text: str
    mentions: tuple[GoldMention, ...]
    only: tuple[str, ...]
    known_miss: bool
    line: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the result of a test; no text, but offsets and shapes.

    Args:
        kind: What is wrong.
        entity_type: The type marked; of a wrong find the type found.
        start: First code point.
        end: One past the last.
        shape: Its form, such as ``Aa`` or ``99/99``.
        found: Types found there, where it is another one.
    """

    kind: Kind
    entity_type: str
    start: int
    end: int
    shape: str
    found: tuple[str, ...] = ()

    def __str__(self) -> str:
        found = f" ({', '.join(self.found)})" if self.found else ""
        return f"{self.entity_type} {self.kind}{found} at {self.start}-{self.end}: {self.shape}"


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test and what came of it.

    Args:
        test: The test.
        found: Mentions found as marked, by type.
        faults: What is wrong; empty if it passed.
        failure: Why the text could not be worked on; empty if it could.
    """

    test: PolicyTest
    found: Mapping[str, int]
    faults: tuple[Fault, ...]
    failure: str = ""

    @property
    def passed(self) -> bool:
        """Whether everything is as marked, or something is not in a test that is known for it."""
        return bool(self.faults) == self.test.known_miss and not self.failure

    @property
    def told(self) -> tuple[str, ...]:
        """What is to be said of it, a line each."""
        if self.failure:
            return (self.failure,)
        if self.test.known_miss and not self.faults:
            return ("everything is found now: take known_miss away",)
        return tuple(map(str, self.faults))


def tests_of(path: Path) -> Path:
    """Return where the tests of a policy file stand.

    Args:
        path: The policy file.
    """
    return path.with_name(f"{path.stem}{TESTS_SUFFIX}")


def read_tests(path: Path) -> tuple[str | Path, tuple[PolicyTest, ...]]:
    """Read a file of tests.

    Args:
        path: A file that ends in ``.tests.yaml``.

    Returns:
        The policy they are for, as `load_policy` takes it, and the tests.

    Raises:
        PolicyError: with line and key for what is wrong in the file; an unknown type is named with the
            closest match.
    """
    file = read_yaml(path)
    entry = validate(_File, file, valid_keys=lambda keys: (_Entry if keys else _File).model_fields)
    named = entry.policy
    policy: str | Path = path.parent / named if named.endswith((".yaml", ".yml")) else named
    types = load_policy(policy).type_names
    tests = []
    for at, each in enumerate(entry.tests):
        try:
            text, mentions = read_marked(each.text, types=types)
        except UsageError as error:
            raise file.error(("tests", at, "text"), str(error)) from None
        if unknown := [name for name in each.only if name not in types]:
            raise file.error(("tests", at, "only"), f"{unknown[0]} is no type of the policy")
        line, _ = file.marks.get(("tests", at), (1, 1))
        tests.append(PolicyTest(each.name, text, mentions, each.only, each.known_miss, line))
    return policy, tuple(tests)


def run_tests(
    tests: Sequence[PolicyTest], policy: Policy, *, model: Path | None = None
) -> tuple[TestResult, ...]:
    """Run tests; each text is a patient of its own.

    Args:
        tests: From `read_tests`.
        policy: The policy.
        model: A model folder; the shipped one when None.
    """
    from deid.run.pipeline import Deidentifier
    from deid.run.work import Group

    deidentifier = Deidentifier.for_detection(policy, model=model)
    groups = [Group((Note(str(at), test.text),)) for at, test in enumerate(tests)]
    return tuple(
        _judged(test, spans) for test, (spans,) in zip(tests, deidentifier.find(groups), strict=True)
    )


def _judged(test: PolicyTest, spans: tuple[Span, ...] | NoteError) -> TestResult:
    if isinstance(spans, NoteError):
        return TestResult(test, {}, (), str(spans.reason))
    found: dict[str, int] = {}
    faults: list[Fault] = []
    for mention in test.mentions:
        if test.only and mention.entity_type not in test.only:
            continue
        over = [span for span in spans if span.start < mention.end and mention.start < span.end]
        own = [span for span in over if span.entity_type == mention.entity_type]
        if _covers(test.text, mention, own):
            found[mention.entity_type] = found.get(mention.entity_type, 0) + 1
        else:
            faults.append(_missed(test.text, mention, over, own))
    for span in spans:
        if test.only and span.entity_type not in test.only:
            continue
        if not any(span.start < each.end and each.start < span.end for each in test.mentions):
            shape = shape_of(test.text[span.start : span.end])
            faults.append(Fault("wrongly found", span.entity_type, span.start, span.end, shape))
    return TestResult(test, found, tuple(faults))


def _missed(text: str, mention: GoldMention, over: Sequence[Span], own: Sequence[Span]) -> Fault:
    kind: Kind = "in part" if own else "as another type" if _covers(text, mention, over) else "missed"
    others = tuple(dict.fromkeys(span.entity_type for span in over)) if not own else ()
    shape = shape_of(text[mention.start : mention.end])
    return Fault(kind, mention.entity_type, mention.start, mention.end, shape, others)


def _covers(text: str, mention: GoldMention, spans: Iterable[Span]) -> bool:
    left = {at for at in range(mention.start, mention.end) if text[at].isalnum()}
    for span in spans:
        left -= set(range(span.start, span.end))
    return not left


def junit(results: Mapping[str, Sequence[TestResult]]) -> bytes:
    """Return results in the XML that JUnit writes and CI systems read.

    Args:
        results: By policy.
    """
    top = ET.Element("testsuites")
    for policy, own in results.items():
        failed = sum(not result.passed for result in own)
        known = sum(result.passed and result.test.known_miss for result in own)
        suite = ET.SubElement(
            top, "testsuite", name=policy, tests=str(len(own)), failures=str(failed), skipped=str(known)
        )
        for result in own:
            case = ET.SubElement(suite, "testcase", classname=policy, name=result.test.name)
            message = "; ".join(result.told)
            if not result.passed:
                ET.SubElement(case, "failure", message=message).text = f"line {result.test.line}: {message}"
            elif message:
                ET.SubElement(case, "skipped", message=f"known: {message}")
    ET.indent(top)
    return bytes(ET.tostring(top, encoding="utf-8", xml_declaration=True)) + b"\n"


def find_tests(name_or_path: str) -> Path:
    """Return the file of tests for what somebody named: a shipped policy, a policy file, or the file itself.

    Args:
        name_or_path: As on the command line.

    Raises:
        PolicyError: if there is none.
    """
    if name_or_path.endswith(TESTS_SUFFIX):
        return Path(name_or_path)
    named = name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path
    path = tests_of(Path(name_or_path) if named else policy_directory() / f"{name_or_path}.yaml")
    if not path.is_file():
        raise PolicyError(f"there are no tests for {name_or_path}: write {path.name} beside it")
    return path

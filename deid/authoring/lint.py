"""What is wrong or unsafe in a policy: a check for each code, each with its source and a way to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deid.authoring.lint_encoder import ENCODER_RULES, measure
from deid.authoring.lint_law import LAW_RULES
from deid.authoring.lint_operators import OPERATOR_RULES
from deid.authoring.lint_patterns import PATTERN_RULES
from deid.authoring.lint_rule import Checked, Rule, Severity
from deid.authoring.lint_wording import WORDING_RULES
from deid.authoring.policy_tests import read_tests, tests_of
from deid.policy import Policy, ResolvedPolicy, resolve_policy
from deid.policy_file import KeyPath, dotted

RULES: tuple[Rule[Policy], ...] = tuple(
    sorted((*LAW_RULES, *OPERATOR_RULES, *WORDING_RULES, *PATTERN_RULES), key=lambda rule: rule.code)
)
_BY_HAND, _WITH_CALIBRATED = "DP018", "DP032"  # the second one says the same and more


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding stands.

    Args:
        file: The policy file.
        key: Key path, such as ``types.DATE.operator``.
        line: Line from 1, where the key stands in the file.
        column: Column from 1.
    """

    file: str
    key: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}:{self.column}"
        return f"{self.file}{line}: {self.key}"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """Something wrong or unsafe.

    Args:
        code: ``DP001`` and so on, listed in docs/policy-lint.md.
        severity: An error makes the command fail.
        place: Where it stands.
        reason: What is wrong.
        source: The paragraph or document behind the check.
        fix: How to mend it.
    """

    code: str
    severity: Severity
    place: Place
    reason: str
    source: str
    fix: str


def lint(
    name_or_path: str | Path, *, encoder: bool = False, model: Path | None = None
) -> tuple[LintFinding, ...]:
    """Load a policy and check it.

    Args:
        name_or_path: As for `deid.policy.load_policy`.
        encoder: Whether to try new and reworded types on the encoder, with the texts of the tests that stand
            beside the policy; takes a few seconds.
        model: A model folder for that; the shipped one when None.

    Returns:
        The findings, by code and then in the policy's order.

    Raises:
        PolicyError: if the policy cannot be loaded, or its tests cannot.
        DeidError: if the model cannot be loaded.
    """
    resolved = resolve_policy(name_or_path)
    findings = lint_policy(resolved)
    if not encoder:
        return findings
    measured = lint_by_encoder(resolved, model=model)
    told = {each.place for each in measured if each.code == _WITH_CALIBRATED}
    return (*(each for each in findings if each.code != _BY_HAND or each.place not in told), *measured)


def lint_policy(resolved: ResolvedPolicy) -> tuple[LintFinding, ...]:
    """Check a policy that is loaded already, without the encoder.

    Args:
        resolved: The policy and its files.
    """
    return _findings(RULES, resolved.policy, lambda keys: _place(resolved, keys))


def places(policy: Policy) -> Iterator[tuple[str, KeyPath]]:
    """Yield code and key path of all that is found without the encoder, by code.

    Args:
        policy: The policy.
    """
    for rule in RULES:
        for keys, _ in rule.check(policy):
            yield rule.code, keys


def lint_resolved(policy: Policy) -> tuple[LintFinding, ...]:
    """Check a policy whose files are not at hand, such as the one a manifest holds.

    Args:
        policy: The policy; its findings name key paths alone.
    """
    return _findings(RULES, policy, lambda keys: Place(policy.name, dotted(keys)))


def lint_by_encoder(resolved: ResolvedPolicy, *, model: Path | None = None) -> tuple[LintFinding, ...]:
    """Check what an encoder makes of a policy: see `deid.authoring.lint_encoder`.

    Args:
        resolved: The policy and its files.
        model: A model folder; the shipped one when None.

    Raises:
        PolicyError: if the tests that stand beside the policy cannot be read.
        DeidError: if the model cannot be loaded.
    """
    beside = tests_of(resolved.files[0].path)
    tests = read_tests(beside)[1] if beside.is_file() else ()
    measured = measure(resolved.policy, model=model, tests=tests)
    return _findings(ENCODER_RULES, measured, lambda keys: _place(resolved, keys))


def _findings(
    rules: Iterable[Rule[Checked]], checked: Checked, place: Callable[[KeyPath], Place]
) -> tuple[LintFinding, ...]:
    return tuple(
        LintFinding(rule.code, rule.severity, place(keys), reason, rule.source, rule.fix)
        for rule in rules
        for keys, reason in rule.check(checked)
    )


def _place(resolved: ResolvedPolicy, keys: KeyPath) -> Place:
    of_operator = keys[2:] == ("operator",)
    file, found = resolved.origin(*(resolved.operator_keys(str(keys[1])) if of_operator else keys))
    line, column = file.marks.get(found, (None, None)) if found else (None, None)
    return Place(str(file.path), dotted(keys), line, column)

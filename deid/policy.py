"""Policies: what counts as identifying, in plain language, and what is done about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from typing_extensions import TypeAliasType

from deid.audit.gates import checked_gates
from deid.errors import PolicyError, unknown_name
from deid.policy_file import KeyPath, YamlFile, all_of, read_yaml, shorten, validate
from deid.policy_operators import (
    OPERATOR_NAMES,
    PARAMETERS,
    filled,
    misfit,
    parameter_problems,
    tag_of,
    value_of,
)

Method = Literal["hhs-safe-harbor", "hhs-expert-determination", "limited-data-set", "custom"]
Census = Literal["union", "2000", "2010", "2020"]
Detector = Literal["rules", "encoder", "known", "propagation"]
TESTS_SUFFIX = ".tests.yaml"
DETECTORS: tuple[Detector, ...] = ("rules", "encoder", "known", "propagation")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OperatorSpec(_Frozen):
    """What replaces a mention.

    Args:
        name: One of `OPERATOR_NAMES`.
        params: Parameters of the operator; `deid.policy_operators` says which there are.
    """

    name: str
    params: dict[str, Any] = {}

    @classmethod
    def parse(cls, value: object) -> OperatorSpec:
        """Read the form of a policy file: a name, or a name with a mapping of parameters.

        Args:
            value: ``redact`` or ``{generalize: {to: year}}``.

        Raises:
            ValueError: for any other form or an unknown name.
        """
        if isinstance(value, OperatorSpec):
            return value
        name, params = value, None
        if isinstance(value, Mapping) and len(value) == 1:
            ((name, params),) = value.items()
        if not isinstance(name, str) or not isinstance(params, Mapping | None):
            raise ValueError("write an operator as NAME or as NAME: {PARAMETER: VALUE}")
        if name not in OPERATOR_NAMES:
            raise ValueError(unknown_name("operator", shorten(name), OPERATOR_NAMES))
        return cls(name=name, params=dict(params or {}))

    def as_file(self) -> str | dict[str, dict[str, Any]]:
        """Return the form of a policy file."""
        return {self.name: dict(self.params)} if self.params else self.name


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _in_order(names: tuple[Detector, ...]) -> tuple[Detector, ...]:
    return tuple(name for name in DETECTORS if name in names)


_OPERATOR_SCHEMA = {
    "oneOf": [
        {"enum": list(OPERATOR_NAMES)},
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": {
                name: {
                    "type": ["object", "null"],
                    "additionalProperties": False,
                    "properties": {key: parameter.schema for key, parameter in parameters.items()},
                }
                for name, parameters in PARAMETERS.items()
            },
        },
    ],
}
FileOperator = TypeAliasType(
    "FileOperator",
    Annotated[OperatorSpec, BeforeValidator(OperatorSpec.parse), WithJsonSchema(_OPERATOR_SCHEMA)],
)

TypeName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
PolicyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Wording = Annotated[str, Field(max_length=2000, pattern=r"\S"), AfterValidator(_one_line)]
Example = Annotated[str, Field(max_length=200, pattern=r"\S")]
Threshold = Annotated[float, Strict(), Field(ge=0, le=1)] | Literal["calibrated"]
Letters = Annotated[str, Field(max_length=18)]
Tag = Annotated[str, Field(max_length=40)]
Gates = Annotated[dict[str, Annotated[float, Field(strict=True)]], AfterValidator(checked_gates)]
FieldPath = Annotated[str, Field(pattern=r"^\S(.{0,198}\S)?$")]
Fields = dict[FieldPath, TypeName]
FieldEntries = dict[FieldPath, TypeName | None]
Detectors = Annotated[tuple[Detector, ...], Field(min_length=1), AfterValidator(_in_order)]


class PatternSpec(_Frozen):
    """A regular expression in google-re2 syntax; its group ``phi``, if it has one, marks the mention.

    Args:
        regex: At most 1,000 characters.
        score: Confidence of a match, in 0..1.
        ignore_case: Whether letters match in both cases.
    """

    regex: str = Field(min_length=1, max_length=1000)
    score: float = Field(0.8, gt=0, le=1, strict=True)
    ignore_case: bool = Field(False, strict=True)


class EntityType(_Frozen):
    """One kind of identifying information.

    Args:
        name: Keys everything; upper case.
        description: One to three sentences: what it is, where it stands in a note, what surrounds it.
        views: Further wordings of the description.
        examples: Surface forms as they stand in real notes.
        contrast: What is easily confused with it and not meant.
        patterns: Regular expressions that find it.
        detect: The detectors that look for it.
        threshold: Score from which the encoder's findings count, or ``calibrated``.
        operator: What replaces a mention.
        hipaa: Letters of the items of 45 CFR 164.514(b)(2)(i) that it belongs to, such as ``A``.
        i2b2: Tag of the i2b2-2014 corpus.
    """

    name: TypeName
    description: Wording
    views: tuple[Wording, ...] = ()
    examples: tuple[Example, ...] = ()
    contrast: Wording | None = None
    patterns: tuple[PatternSpec, ...] = ()
    detect: Detectors = DETECTORS
    threshold: Threshold = "calibrated"
    operator: OperatorSpec
    hipaa: Letters | None = None
    i2b2: Tag | None = None


class Policy(_Frozen):
    """A resolved policy: parents merged, defaults filled in.

    Args:
        name: The policy's name.
        version: Version of its text.
        method: Legal basis it is written for; not a legal opinion.
        description: What it is for.
        source: Paragraph of the regulation or document that it follows.
        zip3_census: List of restricted three-digit ZIP areas.
        default_operator: What replaced mentions of types without an operator.
        gates: Limits by measure that ``deid evaluate`` holds a release to; not part of what a run does.
        fields: Column, or path in a structured record, to the type that its values are; they are replaced
            whole by the type's operator.
        types: The types, parents' first.
        dropped: Types of a parent that were set to null and that no new type stands in for; for checks and
            reports, which name what nothing looks for, and not part of what a run does.
    """

    name: PolicyName
    version: str
    method: Method
    description: str = ""
    source: str = ""
    zip3_census: Census = "union"
    default_operator: OperatorSpec
    gates: Gates = {}
    fields: Fields = {}
    types: tuple[EntityType, ...]
    dropped: tuple[EntityType, ...] = ()

    @cached_property
    def digest(self) -> str:
        """The digest of the resolved policy; see `policy_digest`."""
        return policy_digest(self.model_dump(mode="json"))

    @property
    def type_names(self) -> tuple[str, ...]:
        """Names of the types, in the policy's order."""
        return tuple(entity_type.name for entity_type in self.types)

    def type(self, name: str) -> EntityType:
        """Return a type by name.

        Raises:
            PolicyError: if the policy has none of that name.
        """
        for entity_type in self.types:
            if entity_type.name == name:
                return entity_type
        raise PolicyError(f"policy {self.name}: {unknown_name('entity type', name, self.type_names)}")


def policy_digest(resolved: Mapping[str, Any]) -> str:
    """Return ``sha256:`` and the digest of the canonical JSON of what a policy makes a run do.

    Args:
        resolved: A resolved policy as JSON values, as in a manifest; gates and dropped types do not count.
    """
    left_out = {"gates", "dropped"} | (set() if resolved.get("fields") else {"fields"})
    values = {key: value for key, value in resolved.items() if key not in left_out}
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


class TypeEntry(_Frozen):
    """A type. Keys that are left out come from the parent policy; null in place of a type removes it."""

    description: Wording | None = Field(None, description="What it is, where it stands, what surrounds it.")
    views: tuple[Wording, ...] = Field((), description="Further wordings of the description.")
    examples: tuple[Example, ...] = Field((), description="Invented surface forms, as they stand in notes.")
    contrast: Wording | None = Field(None, description="What is easily confused with it and not meant.")
    patterns: tuple[PatternSpec, ...] = Field((), description="Regular expressions that find it.")
    detect: Detectors = Field(DETECTORS, description="The detectors that look for it; default: all.")
    threshold: Threshold = Field(
        "calibrated", description="Least score of the encoder; best left calibrated."
    )
    operator: FileOperator | None = Field(None, description="What replaces a mention; else default_operator.")
    hipaa: Letters | None = Field(None, description="Letters of its items in 45 CFR 164.514(b)(2)(i).")
    i2b2: Tag | None = Field(None, description="Tag of the i2b2-2014 corpus.")


class PolicyEntry(_Frozen):
    """A policy file."""

    policy: PolicyName = Field(description="The policy's name.")
    version: Annotated[str, Field(min_length=1, max_length=40)] = Field(
        description="Quoted, such as '2026.1'."
    )
    method: Method = Field("custom", description="Legal basis it is written for; not a legal opinion.")
    extends: str | None = Field(None, description="A shipped policy or a path relative to this file.")
    description: str = Field("", description="What the policy is for.")
    source: str = Field("", description="Paragraph of the regulation or document that it follows.")
    zip3_census: Census = Field("union", description="List of restricted three-digit ZIP areas.")
    default_operator: FileOperator = Field(
        OperatorSpec(name="redact"),
        description="What replaces mentions of types without an operator.",
        json_schema_extra={"default": "redact"},
    )
    gates: Gates = Field(
        {},
        description="Limits that deid evaluate holds a release to, such as recall: 0.99.",
    )
    fields: FieldEntries = Field(
        {},
        description="Columns or paths of structured records and the type that their values are; null: none.",
    )
    types: dict[TypeName, TypeEntry | None] = Field(
        {}, description="Types by name, merged into the parent's."
    )


_INHERITED = ("method", "source", "zip3_census", "default_operator", "gates")


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    """A policy together with the files it was made from.

    Args:
        policy: The policy.
        files: The file that was asked for, then its parents.
    """

    policy: Policy
    files: tuple[YamlFile, ...]

    def origin(self, *keys: str | int) -> tuple[YamlFile, KeyPath]:
        """Return the file nearest to the child that has a key path, and the part of the path found there.

        Args:
            keys: A key path of the file format, such as ``"types", "AGE", "operator"``.
        """
        path = keys
        while path:
            for file in self.files:
                if path in file.marks:
                    return file, path
            path = path[:-1]
        return self.files[0], ()

    def operator_keys(self, entity_type: str) -> KeyPath:
        """Return the key path of what replaces a type's mentions: its own operator, or the default one.

        Args:
            entity_type: A type of the policy.
        """
        own = ("types", entity_type, "operator")
        return own if self.origin(*own)[1] == own else ("default_operator",)


def policy_directory() -> Path:
    """Return the folder of the shipped policies: inside an installed package, else the repository's."""
    package = Path(__file__).resolve().parent
    inside = package / "policies"
    return inside if inside.is_dir() else package.parent / "policies"


def available_policies() -> tuple[str, ...]:
    """Return the names of the shipped policies, sorted."""
    paths = policy_directory().glob("*.yaml")
    return tuple(sorted(path.stem for path in paths if not path.name.endswith(TESTS_SUFFIX)))


def load_policy(name_or_path: str | Path) -> Policy:
    """Load a policy, its parents merged in.

    Args:
        name_or_path: A shipped name such as ``safe-harbor``, or a path (has a folder or ends in ``.yaml``).

    Raises:
        PolicyError: with file, line, key path, what is wrong and the closest match.
    """
    return resolve_policy(name_or_path).policy


def resolve_policy(name_or_path: str | Path) -> ResolvedPolicy:
    """Load a policy and keep the files it was made from.

    Args:
        name_or_path: As for `load_policy`.

    Raises:
        PolicyError: as `load_policy`.
    """
    files: list[YamlFile] = []
    entries: list[PolicyEntry] = []
    path: Path | None = _locate(name_or_path)
    while path is not None:
        if path.resolve() in (file.path.resolve() for file in files):
            raise files[-1].error(("extends",), "the policies extend one another in a circle")
        file = read_yaml(path)
        entry = validate(PolicyEntry, file, valid_keys=valid_keys)
        files.append(file)
        entries.append(entry)
        path = _parent(entry, file)
    resolved = ResolvedPolicy(_merge(entries, files), tuple(files))
    found = _operator_faults(resolved)
    if faults := [str(resolved.origin(*keys)[0].error(keys, what)) for keys, what in found]:
        raise all_of(dict.fromkeys(faults))
    return resolved


def _operator_faults(resolved: ResolvedPolicy) -> Iterator[tuple[KeyPath, str]]:
    """Yield what is wrong with the operators: their parameters, and values that they do not fit."""
    default = resolved.policy.default_operator
    for parameter, what in parameter_problems(default.name, default.params):
        yield ("default_operator", default.name, parameter), what
    unfit_for: list[str] = []
    for kind in resolved.policy.types:
        name, params, keys = kind.operator.name, kind.operator.params, resolved.operator_keys(kind.name)
        wrong = list(parameter_problems(name, params))
        unfit = None if wrong else misfit(name, params, value_of(kind.name, kind.i2b2))
        for parameter, what in [*wrong, *([unfit] if unfit else [])]:
            path = (*keys, name, parameter) if parameter else keys
            if keys[0] == "types":
                yield path, what
            elif unfit:
                unfit_for.append(kind.name)
    if unfit_for:
        what = f"{default.name} does not fit {', '.join(unfit_for)}; give them operators of their own"
        yield ("default_operator",), what


def policy_schema() -> dict[str, Any]:
    """Return the JSON Schema of policy files."""
    schema = PolicyEntry.model_json_schema()
    schema["properties"]["types"]["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "deid policy"}


def _locate(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or "\\" in text or text.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    names = available_policies()
    if text not in names:
        raise PolicyError(unknown_name("policy", shorten(text), names, hint="a path ends in .yaml"))
    return policy_directory() / f"{text}.yaml"


def _parent(entry: PolicyEntry, file: YamlFile) -> Path | None:
    if entry.extends is None:
        return None
    try:
        path = file.path.parent / _locate(entry.extends)
    except PolicyError as error:
        raise file.error(("extends",), str(error)) from None
    if not path.is_file():
        raise file.error(("extends",), "there is no such file; a path is relative to this file's folder")
    return path


def valid_keys(keys: KeyPath) -> tuple[str, ...]:
    """Return the keys that may stand below a key path of the file format; none where any may, or none.

    Args:
        keys: Such as ``("types", "AGE")``; ``()`` is the top.
    """
    match keys:
        case ():
            return tuple(PolicyEntry.model_fields)
        case ("types", _):
            return tuple(TypeEntry.model_fields)
        case ("types", _, "patterns", _):
            return tuple(PatternSpec.model_fields)
        case ("types", _, "operator") | ("default_operator",):
            return OPERATOR_NAMES
        case ("types", _, "operator", name) | ("default_operator", name):
            return tuple(PARAMETERS.get(str(name), ()))
    return ()


def _merge(entries: list[PolicyEntry], files: list[YamlFile]) -> Policy:
    types: dict[str, dict[str, Any]] = {}
    dropped: dict[str, tuple[dict[str, Any], frozenset[str]]] = {}  # and the names that stood beside it
    fields: dict[str, str | None] = {}
    top: dict[str, Any] = {}
    for entry, file in zip(reversed(entries), reversed(files), strict=True):
        top |= {key: getattr(entry, key) for key in _INHERITED if key in entry.model_fields_set}
        fields |= entry.fields
        beside = frozenset(types)
        for name, change in entry.types.items():
            if change is not None:
                values = {key: getattr(change, key) for key in change.model_fields_set}
                types[name] = types.get(name, {}) | values
            elif name in types:
                dropped[name] = types.pop(name), beside
            else:
                what = f"nothing to remove; {unknown_name('entity type', name, types)}"
                raise file.error(("types", name), what)
        for name, values in types.items():
            if not values.get("description"):
                near = get_close_matches(name, set(types) - {name}, n=1, cutoff=0.5)
                hint = f"; or did you mean {near[0]!r}?" if near else ""
                raise file.error(("types", name), f"a new type needs a description{hint}")
    own = entries[0]
    if not types:
        raise files[0].error(("types",), "a policy needs at least one type; or extend base")
    default = top.get("default_operator", own.default_operator)
    method = top.get("method", own.method)
    kept = {path: kind for path, kind in fields.items() if kind is not None}
    for path, kind in kept.items():
        if kind not in types:
            raise files[0].error(("fields", path), unknown_name("entity type", kind, types))
    return Policy(
        name=own.policy,
        version=own.version,
        description=_one_line(own.description),
        fields=kept,
        types=_entity_types(types, default, method),
        dropped=_entity_types(
            {
                name: values
                for name, (values, beside) in dropped.items()
                if name not in types and not _stood_in(name, values, types=types, beside=beside)
            },
            default,
            method,
        ),
        **{"default_operator": default, **top, "method": method},
    )


def _stood_in(
    name: str, values: Mapping[str, Any], *, types: Mapping[str, Mapping[str, Any]], beside: Collection[str]
) -> bool:
    """Tell whether a type that did not stand beside a dropped one has its items and tag."""
    items, tag = set(values.get("hipaa") or ""), tag_of(name, values.get("i2b2"))
    return tag is not None and any(
        items <= set(new.get("hipaa") or "") and tag == tag_of(other, new.get("i2b2"))
        for other, new in types.items()
        if other not in beside
    )


def _entity_types(
    types: Mapping[str, Mapping[str, Any]], default: OperatorSpec, method: Method
) -> tuple[EntityType, ...]:
    return tuple(
        EntityType(name=name, **{**values, "operator": _filled(name, values, default, method)})
        for name, values in types.items()
    )


def _filled(name: str, values: Mapping[str, Any], default: OperatorSpec, method: Method) -> OperatorSpec:
    """Return a type's operator, or the default one, with what type and method make of parameters left out."""
    spec: OperatorSpec = values.get("operator") or default
    i2b2 = values.get("i2b2")
    of_patient = name == "PATIENT_NAME" or tag_of(name, i2b2) == "MEDICALRECORD"
    params = filled(spec.name, spec.params, value=value_of(name, i2b2), method=method, of_patient=of_patient)
    return OperatorSpec(name=spec.name, params=params)

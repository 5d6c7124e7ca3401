from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.errors import PolicyError
from deid.keys import Keys, new_key_file
from deid.operate.encrypt import Encrypt
from deid.policy import (
    DETECTORS,
    EntityType,
    OperatorSpec,
    Policy,
    available_policies,
    load_policy,
    policy_directory,
    policy_schema,
    resolve_policy,
)
from deid.policy_file import parse_yaml
from deid.policy_operators import PARAMETERS

# Each type's tag in i2b2-2014, its items of 45 CFR 164.514(b)(2)(i), its operators in the three policies.
TYPES = {
    "PATIENT_NAME": ("PATIENT", "A", "redact", "redact", "surrogate"),
    "RELATIVE_NAME": ("PATIENT", "A", "redact", "redact", "surrogate"),
    "CLINICIAN_NAME": ("DOCTOR", "A", "redact", "redact", "surrogate"),
    "USERNAME": ("USERNAME", "R", "redact", "redact", "surrogate"),
    "PROFESSION": ("PROFESSION", None, "keep", "keep", "surrogate"),
    "HOSPITAL": ("HOSPITAL", "B", "redact", "redact", "surrogate"),
    "ORGANIZATION": ("ORGANIZATION", "A", "redact", "redact", "surrogate"),
    "STREET_ADDRESS": ("STREET", "B", "redact", "redact", "surrogate"),
    "CITY": ("CITY", "B", "redact", "keep", "surrogate"),
    "STATE": ("STATE", None, "keep", "keep", "surrogate"),
    "COUNTRY": ("COUNTRY", None, "keep", "keep", "surrogate"),
    "ZIP_CODE": ("ZIP", "B", "generalize", "keep", "surrogate"),
    "LOCATION_OTHER": ("LOCATION-OTHER", "B", "redact", "redact", "surrogate"),
    "AGE": ("AGE", "C", "generalize", "keep", "generalize"),
    "DATE": ("DATE", "C", "generalize", "keep", "shift_date"),
    "PHONE": ("PHONE", "D", "redact", "redact", "surrogate"),
    "FAX": ("FAX", "E", "redact", "redact", "surrogate"),
    "EMAIL": ("EMAIL", "F", "redact", "redact", "surrogate"),
    "URL": ("URL", "N", "redact", "redact", "surrogate"),
    "IP_ADDRESS": ("IPADDR", "O", "redact", "redact", "surrogate"),
    "SSN": ("SSN", "G", "redact", "redact", "surrogate"),
    "MRN": ("MEDICALRECORD", "H", "redact", "redact", "surrogate"),
    "HEALTH_PLAN_ID": ("HEALTHPLAN", "I", "redact", "redact", "surrogate"),
    "ACCOUNT_NUMBER": ("ACCOUNT", "J", "redact", "redact", "surrogate"),
    "LICENSE_NUMBER": ("LICENSE", "K", "redact", "redact", "surrogate"),
    "VEHICLE_ID": ("VEHICLE", "L", "redact", "redact", "surrogate"),
    "DEVICE_ID": ("DEVICE", "M", "redact", "redact", "surrogate"),
    "BIOMETRIC_ID": ("BIOID", "PQ", "redact", "redact", "redact"),
    "OTHER_ID": ("IDNUM", "R", "redact", "redact", "surrogate"),
}
HEAD = "policy: mine\nversion: '1'\n"
ONE_TYPE = "types:\n  PET:\n    description: The name of the animal that lives with the patient.\n"


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def load_text(folder: Path, text: str) -> Policy:
    return load_policy(write(folder, text))


# --- the shipped policies --------------------------------------------------------------------------------


def test_the_shipped_policies_are_there() -> None:
    assert available_policies() == (
        "base",
        "canada-phipa",
        "gdpr-pseudonymization",
        "limited-data-set",
        "minimal-names",
        "psychotherapy-notes",
        "research-imaging-reports",
        "research-surrogates",
        "safe-harbor",
        "safe-harbor-surrogates",
        "uk-nhs",
    )


@pytest.mark.parametrize("name", TYPES)
def test_types_tags_items_and_operators(name: str) -> None:
    i2b2, hipaa, *operators = TYPES[name]
    kind = load_policy("base").type(name)
    assert (kind.i2b2, kind.hipaa, kind.operator.name) == (i2b2, hipaa, "redact")
    policies = map(load_policy, ("safe-harbor", "limited-data-set", "research-surrogates"))
    assert [policy.type(name).operator.name for policy in policies] == operators


@pytest.mark.parametrize("policy", available_policies())
def test_every_shipped_policy_has_these_types_first(policy: str) -> None:
    assert load_policy(policy).type_names[: len(TYPES)] == tuple(TYPES)


@pytest.mark.parametrize("policy", ["base", "limited-data-set", "research-surrogates", "safe-harbor"])
def test_the_plain_policies_have_no_others(policy: str) -> None:
    assert load_policy(policy).type_names == tuple(TYPES)


def test_methods_census_and_targets() -> None:
    safe_harbor, limited = load_policy("safe-harbor"), load_policy("limited-data-set")
    assert safe_harbor.method == "hhs-safe-harbor"
    assert safe_harbor.zip3_census == "union"
    assert limited.method == "limited-data-set"
    assert load_policy("research-surrogates").method == "hhs-expert-determination"
    targets = {name: safe_harbor.type(name).operator.params for name in ("DATE", "AGE", "ZIP_CODE")}
    assert targets == {"DATE": {"to": "year"}, "AGE": {"to": "age_90_plus"}, "ZIP_CODE": {"to": "zip3"}}
    assert load_policy("research-surrogates").type("AGE").operator.params == {"to": "age_90_plus"}


@pytest.mark.parametrize("kind", load_policy("base").types, ids=lambda kind: kind.name)
def test_descriptions_are_careful(kind: EntityType) -> None:
    sentences = re.findall(r"[^.]\.(?:\s|$)", kind.description)
    assert 1 <= len(sentences) <= 4
    assert 20 <= len(kind.description.split()) <= 70
    assert 2 <= len(kind.views) <= 4
    assert min(len(view.split()) for view in kind.views) <= 8
    assert 4 <= len(kind.examples) <= 8
    assert len(set(kind.examples)) == len(kind.examples)
    assert kind.contrast
    assert "_" not in f"{kind.description} {kind.views} {kind.contrast}", (
        "type names mean nothing to the encoder"
    )


@pytest.mark.parametrize("name", ["PATIENT_NAME", "RELATIVE_NAME", "CLINICIAN_NAME"])
def test_name_examples_are_marked_without_titles_and_degrees(name: str) -> None:
    for example in load_policy("base").type(name).examples:
        assert not re.search(r"\b(?:Dr|Mr|Mrs|Ms|MD|RN|NP|DO|PA|Officer)\b|'s$", example)


# --- merging ---------------------------------------------------------------------------------------------


def test_a_child_overrides_single_keys_and_removes_types(tmp_path: Path) -> None:
    parent = load_policy("safe-harbor")
    child = load_text(
        tmp_path,
        HEAD + "extends: safe-harbor\ntypes:\n  AGE: {operator: redact, i2b2: null}\n  URL: null\n"
        "  PET:\n    description: The name of the animal that lives with the patient.\n",
    )
    assert child.type("AGE").description == parent.type("AGE").description
    assert child.type("AGE").operator == OperatorSpec(name="redact")
    assert child.type("AGE").i2b2 is None
    assert child.type_names == (*(name for name in TYPES if name != "URL"), "PET")
    assert (child.method, child.source) == (parent.method, parent.source)
    assert (child.name, child.version, child.description) == ("mine", "1", "")


def test_default_operator_applies_where_a_type_has_none(tmp_path: Path) -> None:
    write(
        tmp_path,
        HEAD + "default_operator: {hash: }\n" + ONE_TYPE + "  TOY: {description: x, operator: mask}",
        "a.yaml",
    )
    parent = load_policy(tmp_path / "a.yaml")
    assert [kind.operator.name for kind in parent.types] == ["hash", "mask"]
    child = load_text(tmp_path, HEAD + "extends: a.yaml\ndefault_operator: keep\n")
    assert [kind.operator.name for kind in child.types] == ["keep", "mask"]
    assert load_text(tmp_path, HEAD + ONE_TYPE).type("PET").operator.name == "redact"


def test_parents_are_found_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path, HEAD + ONE_TYPE, "parent.yaml")
    child = write(tmp_path / "deep", HEAD + "extends: ../parent.yaml\n")
    resolved = resolve_policy(str(child))
    assert resolved.policy.type_names == ("PET",)
    assert [file.path.name for file in resolved.files] == ["mine.yaml", "parent.yaml"]


def test_origins_name_the_nearest_file(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "extends: safe-harbor\ntypes:\n  AGE:\n    threshold: 0.5\n")
    resolved = resolve_policy(path)

    def origin(*keys: str) -> tuple[str, tuple[int, int]]:
        file, found = resolved.origin(*keys)
        return file.path.name, file.marks[found]

    assert origin("types", "AGE", "threshold") == ("mine.yaml", (6, 5))
    assert origin("types", "AGE", "operator")[0] == "safe-harbor.yaml"
    assert origin("types", "MRN", "description")[0] == "base.yaml"
    assert origin("types", "AGE", "patterns") == ("mine.yaml", (5, 3))


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"mine.yaml": "extends: mine.yaml\n"}, "mine.yaml:3:1: extends"),
        ({"mine.yaml": "extends: b.yaml\n", "b.yaml": "extends: ./mine.yaml\n"}, "b.yaml:3:1: extends"),
    ],
    ids=["itself", "two"],
)
def test_circles_are_refused(tmp_path: Path, files: dict[str, str], where: str) -> None:
    for name, text in files.items():
        write(tmp_path, HEAD + text, name)
    with pytest.raises(PolicyError, match=re.escape(where)) as caught:
        load_policy(tmp_path / "mine.yaml")
    assert "circle" in str(caught.value)


# --- faults ----------------------------------------------------------------------------------------------

LONG = "0123456789" * 30
FAULTS = {
    "unknown key": (
        HEAD + ONE_TYPE + "defualt_operator: redact\n",
        "6:1: defualt_operator",
        "'default_operator'",
    ),
    "unknown key of a type": (
        HEAD + ONE_TYPE + "    operater: mask\n",
        "6:5: types.PET.operater",
        "'operator'",
    ),
    "unknown key of a pattern": (
        HEAD + ONE_TYPE + "    patterns: [{regex: a, scor: 1}]\n",
        "6:27: types.PET.patterns[0].scor",
        "'score'",
    ),
    "unknown operator": (HEAD + ONE_TYPE + "    operator: shiftdate\n", "types.PET.operator", "'shift_date'"),
    "two operators": (HEAD + ONE_TYPE + "    operator: {mask: {}, hash: {}}\n", "types.PET.operator", "NAME"),
    "operator with a number": (HEAD + ONE_TYPE + "    operator: {mask: 3}\n", "types.PET.operator", "NAME"),
    "model form of an operator": (
        HEAD + ONE_TYPE + "    operator: {name: mask}\n",
        "types.PET.operator",
        "NAME",
    ),
    "unknown parameter": (
        HEAD + ONE_TYPE + "    operator: {mask: {kep_last: 2}}\n",
        "6:23: types.PET.operator.mask.kep_last",
        "'keep_last'",
    ),
    "value of a parameter": (
        HEAD + ONE_TYPE + "    operator: {pseudonym: {code: keyd}}\n",
        "6:28: types.PET.operator.pseudonym.code",
        "'keyed'",
    ),
    "number out of range": (
        HEAD + ONE_TYPE + "    operator: {hash: {length: 8}}\n",
        "6:23: types.PET.operator.hash.length",
        "12 to 64",
    ),
    "failing open": (
        HEAD + ONE_TYPE + "    operator: {hash: {on_failure: keep}}\n",
        "6:23: types.PET.operator.hash.on_failure",
        "redact",
    ),
    "text of a truth value": (
        HEAD + ONE_TYPE + "    operator: {shift_date: {weekday: 'no'}}\n",
        "6:29: types.PET.operator.shift_date.weekday",
        "type bool",
    ),
    "letter as a sign": (
        HEAD + ONE_TYPE + "    operator: {mask: {char: x}}\n",
        "6:23: types.PET.operator.mask.char",
        "not a letter",
    ),
    "secret in a policy": (
        HEAD + ONE_TYPE + "    operator: {hash: {key: abc}}\n",
        "6:23: types.PET.operator.hash.key",
        "--key-file",
    ),
    "parameter of the default operator": (
        HEAD + "default_operator: {mask: {chr: '#'}}\n" + ONE_TYPE,
        "3:27: default_operator.mask.chr",
        "'char'",
    ),
    "unknown method": (HEAD + ONE_TYPE + "method: safe-harbor\n", "6:1: method", "'hhs-safe-harbor'"),
    "unknown detector": (
        HEAD + ONE_TYPE + "    detect: [rules, encoders]\n",
        "types.PET.detect[1]",
        "'encoder'",
    ),
    "no detector": (HEAD + ONE_TYPE + "    detect: []\n", "types.PET.detect", "at least 1"),
    "threshold too high": (HEAD + ONE_TYPE + "    threshold: 1.5\n", "6:5: types.PET.threshold", "less than"),
    "threshold in quotes": (HEAD + ONE_TYPE + "    threshold: '0.5'\n", "types.PET.threshold", "calibrated"),
    "number as an example": (
        HEAD + ONE_TYPE + "    examples: [a, 2079]\n",
        "6:19: types.PET.examples[1]",
        "quotes",
    ),
    "blank example": (HEAD + ONE_TYPE + "    examples: [' ']\n", "types.PET.examples[0]", "match"),
    "unquoted version": ("policy: mine\nversion: 1.0\n" + ONE_TYPE, "2:1: version", "quotes"),
    "no version": ("policy: mine\n" + ONE_TYPE, "version", "required"),
    "name of the policy": ("policy: ../x\nversion: '1'\n" + ONE_TYPE, "1:1: policy", "match"),
    "name of a type": (HEAD + "types: {pet: {description: an animal}}\n", "types.pet", "match"),
    "no types": (HEAD, "types", "at least one type"),
    "new type without description": (
        HEAD + "extends: base\ntypes: {PATIENT_NAMES: {operator: mask}}\n",
        "4:9: types.PATIENT_NAMES",
        "'PATIENT_NAME'",
    ),
    "nothing to remove": (HEAD + "extends: base\ntypes: {ADE: null}\n", "4:9: types.ADE", "'AGE'"),
    "unknown parent": (HEAD + "extends: safe-harbour\n", "3:1: extends", "'safe-harbor'"),
    "missing parent": (HEAD + "extends: parent.yaml\n", "3:1: extends", "no such file"),
    "list of parents": (HEAD + "extends: [base]\n", "3:1: extends", "text"),
    "key twice": (
        HEAD + ONE_TYPE + "    operator: mask\n    operator: keep\n",
        "7:5",
        "twice (first on line 6)",
    ),
    "type twice": (HEAD + ONE_TYPE + "  PET: {operator: keep}\n", "6:3", "twice (first on line 4)"),
    "tab": (HEAD + "types:\n\tPET: {}\n", "4:1", "a tab where YAML wants spaces"),
    "python object": (HEAD + "source: !!python/object/apply:os.getcwd []\n", "3:9", "not allowed"),
    "local tag": (HEAD + "source: !env HOME\n", "3:9", "tag '!env' is not allowed"),
    "wrong tag": (HEAD + "source: !!int seven\n", "3:9", "not a value of kind int"),
    "anchor": (HEAD + "source: &a x\n", "3:9", "anchors and aliases"),
    "alias": (HEAD + "source: *a\n", "3:9", "anchors and aliases"),
    "merge key": (HEAD + "<<: {method: custom}\n" + ONE_TYPE, "3:1: <<", "unknown key"),
    "key that is a number": (HEAD + "7: x\n", "3:1", "a key must be a word"),
    "key that is a list": (HEAD + "[a]: x\n", "3:1", "a key must be a word"),
    "deep nesting": (HEAD + "source: " + "[" * 40 + "]" * 40, "3:", "deeper than 20"),
    "not closed": (HEAD + "source: [a\n", "4:1", "expected"),
    "two documents": (HEAD + "---\n" + HEAD, "3:1", "document"),
    "lone surrogate": (HEAD + 'source: "\\ud800"\n', "3:9", "not a value of kind str"),
    "control character": (HEAD + "source: a\x07\n", "mine.yaml", "control character"),
    "a list": ("- a\n", "1:1", "a policy file is a mapping"),
    "empty": ("", "1:1", "a policy file is a mapping"),
    "long unknown key": (HEAD + ONE_TYPE + f"    k{LONG}: x\n", "types.PET.k0123", "unknown key"),
    "long unknown operator": (
        HEAD + ONE_TYPE + f"    operator: {LONG}\n",
        "types.PET.operator",
        "unknown operator",
    ),
    "long unknown method": (HEAD + ONE_TYPE + f"method: m{LONG}\n", "method", "should be one of"),
    "long example": (HEAD + ONE_TYPE + f"    examples: ['{LONG}']\n", "types.PET.examples[0]", "at most 200"),
    "long tag": (HEAD + f"source: !{LONG} x\n", "3:9", "not allowed"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_name_place_and_remedy(tmp_path: Path, case: str) -> None:
    text, place, remedy = FAULTS[case]
    with pytest.raises(PolicyError) as caught:
        load_text(tmp_path, text)
    message = str(caught.value)
    assert "mine.yaml" in message
    assert place in message
    assert remedy in message
    assert LONG[:60] not in message


def test_several_faults_are_told_at_once_and_cut_at_ten(tmp_path: Path) -> None:
    types = "".join(f"  PET{index}: {{colour: red}}\n" for index in range(12))
    with pytest.raises(PolicyError) as caught:
        load_text(tmp_path, HEAD + "types:\n" + types)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "… and 2 more"


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"policy: \xff", "not UTF-8 at byte 8"),
        (b"#" * 1_000_001, "larger than"),
        (None, "cannot be read"),
    ],
    ids=["latin", "large", "folder"],
)
def test_unreadable_files(tmp_path: Path, raw: bytes | None, what: str) -> None:
    path = tmp_path / "mine.yaml"
    if raw is None:
        path.mkdir()
    else:
        path.write_bytes(raw)
    with pytest.raises(PolicyError, match=what):
        load_policy(path)


def test_unknown_names_list_the_policies() -> None:
    with pytest.raises(
        PolicyError, match=r"unknown policy 'safeharbor'; did you mean 'safe-harbor'"
    ) as caught:
        load_policy("safeharbor")
    assert "limited-data-set" in str(caught.value)
    with pytest.raises(PolicyError, match="did you mean 'CLINICIAN_NAME'"):
        load_policy("base").type("CLINICIAN")


@given(
    st.one_of(st.binary(max_size=200), st.text("abc:-[]{}&*!'\"|>%@` \t\n#0.7~", max_size=80).map(str.encode))
)
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        data = parse_yaml(raw, Path("any.yaml")).data
    except PolicyError:
        return
    json.dumps(data, allow_nan=False)


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("no", "no"), ("off", "off"), ("12:30", "12:30"), ("0417", "0417"), ("2079-03-04", "2079-03-04"),
        ("1_000", "1_000"), ("0x1F", "0x1F"), (".inf", ".inf"), ("1e9", "1e9"), ("True", "True"),
        ("true", True), ("2079", 2079), ("-0.5", -0.5), ("1.5e-07", 1.5e-07), ("null", None), ("~", None),
        ("", None), ("'7'", "7"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema(scalar: str, value: object) -> None:
    read = parse_yaml(f"key: {scalar}\n".encode(), Path("any.yaml")).data["key"]
    assert (type(read), read) == (type(value), value)


# --- digest and schema -----------------------------------------------------------------------------------


def test_digest_is_that_of_the_meaning(tmp_path: Path) -> None:
    plain = load_text(tmp_path, HEAD + ONE_TYPE + "    detect: [encoder, rules]\n")
    folded = ONE_TYPE.replace("animal that", ">-\n animal that").replace(
        "The name of the >-\n", ">-\n      The name of the\n     "
    )
    same = load_text(
        tmp_path, '# a comment\nversion: "1"\npolicy: mine\n' + folded + "    detect: [rules, encoder]\n"
    )
    other = load_text(tmp_path, HEAD + ONE_TYPE.replace("animal", "dog"))
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", plain.digest)
    assert plain.digest == same.digest
    assert plain.digest != other.digest


@pytest.mark.parametrize(
    "change",
    [
        "threshold: 0.5",
        "operator: mask",
        "operator: {mask: {keep_last: 1}}",
        "examples: [Rex]",
        "hipaa: R",
        "views: [a pet]",
    ],
)
def test_digest_sees_every_key(tmp_path: Path, change: str) -> None:
    assert (
        load_text(tmp_path, HEAD + ONE_TYPE).digest
        != load_text(tmp_path, f"{HEAD}{ONE_TYPE}    {change}\n").digest
    )


def test_policies_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_policy("base").name = "other"  # type: ignore[misc]


def test_detectors_keep_one_order(tmp_path: Path) -> None:
    assert load_text(tmp_path, HEAD + ONE_TYPE).type("PET").detect == DETECTORS
    policy = load_text(tmp_path, HEAD + ONE_TYPE + "    detect: [known, rules, known]\n")
    assert policy.type("PET").detect == ("rules", "known")


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = json.loads((policy_directory() / "policy.schema.json").read_text(encoding="utf-8"))
    assert committed == policy_schema(), "run: deid policy schema > policies/policy.schema.json"


@pytest.mark.parametrize("name", available_policies())
def test_shipped_policies_are_valid_by_the_schema(name: str) -> None:
    path = policy_directory() / f"{name}.yaml"
    jsonschema.validate(parse_yaml(path.read_bytes(), path).data, policy_schema())
    assert path.read_text(encoding="utf-8").startswith(
        "# yaml-language-server: $schema=./policy.schema.json\n"
    )


@pytest.mark.parametrize(
    "case",
    [
        "unknown key", "unknown key of a type", "unknown key of a pattern", "unknown operator",
        "unknown parameter", "value of a parameter", "number out of range", "failing open",
        "text of a truth value", "secret in a policy", "parameter of the default operator",
        "two operators", "operator with a number", "model form of an operator", "unknown method",
        "unknown detector", "no detector", "threshold too high", "threshold in quotes",
        "number as an example", "blank example", "unquoted version", "no version", "name of the policy",
        "name of a type", "list of parents", "long example",
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_loader_refuses(case: str) -> None:
    data = parse_yaml(FAULTS[case][0].encode(), Path("any.yaml")).data
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, policy_schema())


# --- operators and the values they fit --------------------------------------------------------------------

MISFITS = {
    "PATIENT_NAME: {operator: shift_date}": ("types.PATIENT_NAME.operator", "names of persons"),
    "AGE: {operator: {generalize: {to: year}}}": ("types.AGE.operator.generalize.to", "to: age_90_plus"),
    "PHONE: {operator: {generalize: {to: zip3}}}": ("types.PHONE.operator.generalize.to", "kind: phone"),
    "MRN: {operator: {surrogate: {kind: city}}}": ("types.MRN.operator.surrogate.kind", "kind: identifier"),
    "CITY: {operator: {surrogate: {kind: age}}}": ("types.CITY.operator.surrogate.kind", "kind: city"),
    "DATE: {operator: surrogate}": ("types.DATE.operator.surrogate.kind", "use shift_date"),
    "URL: {operator: generalize}": ("types.URL.operator.generalize.to", "use redact"),
    "TOY: {description: A toy., i2b2: DEVICE, operator: shift_date}": ("types.TOY.operator", "numbers"),
    "TOY: {description: A toy., operator: surrogate}": (
        "types.TOY.operator.surrogate.kind",
        "give the operator",
    ),
    "TOY: {description: A toy., operator: generalize}": ("types.TOY.operator.generalize.to", "age_90_plus"),
}


@pytest.mark.parametrize("line", MISFITS)
def test_an_operator_that_does_not_fit_is_refused_with_its_place(tmp_path: Path, line: str) -> None:
    key, hint = MISFITS[line]
    with pytest.raises(PolicyError, match=rf"mine\.yaml:5:\d+: {re.escape(key)}: ") as caught:
        load_text(tmp_path, f"{HEAD}extends: base\ntypes:\n  {line}\n")
    assert hint in str(caught.value)


def test_a_default_operator_that_does_not_fit_names_the_types(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"yaml:4:1: default_operator: shift_date does") as caught:
        load_text(tmp_path, f"{HEAD}extends: base\ndefault_operator: shift_date\n")
    assert "AGE, PHONE, FAX" in str(caught.value)
    assert "DATE" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "HOSPITAL: {operator: {surrogate: {kind: organization}}}",
        "STREET_ADDRESS: {operator: {generalize: {to: state}}}",
        "USERNAME: {operator: {surrogate: {kind: identifier}}}",
        "TOY: {description: A toy., operator: shift_date}",
        "TOY: {description: A toy., operator: {surrogate: {kind: city, on_failure: quarantine}}}",
    ],
)
def test_what_fits_or_is_unknown_is_accepted(tmp_path: Path, line: str) -> None:
    load_text(tmp_path, f"{HEAD}extends: base\ntypes:\n  {line}\n")


def test_types_and_methods_fill_in_what_operators_leave_out(tmp_path: Path) -> None:
    types = (
        "types:\n  DATE: {operator: generalize}\n  AGE: {operator: generalize}\n"
        "  ZIP_CODE: {operator: generalize}\n  PATIENT_NAME: {operator: pseudonym}\n"
        "  CLINICIAN_NAME: {operator: pseudonym}\n  MRN: {operator: {pseudonym: {code: none}}}\n"
        "  PASSPORT: {description: A passport., i2b2: IDNUM, operator: surrogate}\n"
    )
    policy = load_text(tmp_path, f"{HEAD}extends: safe-harbor\n{types}")
    params = {name: dict(policy.type(name).operator.params) for name in policy.type_names}
    assert [params[name] for name in ("DATE", "AGE", "ZIP_CODE", "PASSPORT")] == [
        {"to": "year"},
        {"to": "age_90_plus"},
        {"to": "zip3"},
        {"kind": "identifier"},
    ]
    # 45 CFR 164.514(c): under Safe Harbor the patient's code is random, unless the policy says otherwise.
    assert (params["PATIENT_NAME"], params["CLINICIAN_NAME"]) == ({"code": "random"}, {})
    assert params["MRN"] == {"code": "none"}
    other = load_text(tmp_path, f"{HEAD}extends: base\n{types}")
    assert other.type("PATIENT_NAME").operator.params == {}


def test_a_default_surrogate_is_of_each_types_kind(tmp_path: Path) -> None:
    types = "types:\n  DATE: {operator: shift_date}\n"
    policy = load_text(tmp_path, f"{HEAD}extends: base\ndefault_operator: surrogate\n{types}")
    assert policy.type("CITY").operator.params == {"kind": "city"}
    assert policy.type("FAX").operator.params == {"kind": "phone"}


# --- the guide -------------------------------------------------------------------------------------------

GUIDE = (policy_directory().parent / "docs" / "policy-guide.md").read_text(encoding="utf-8")
GUIDE_POLICIES = [
    block
    for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.S)
    if block.startswith("policy:") and "\ntests:" not in block
]


def test_the_guide_has_policies() -> None:
    assert len(GUIDE_POLICIES) >= 2


@pytest.mark.parametrize("block", GUIDE_POLICIES, ids=lambda block: block.split()[1])
def test_policies_of_the_guide_load(tmp_path: Path, block: str) -> None:
    policy = load_text(tmp_path, block)
    assert len(policy.types) >= len(TYPES)


@pytest.mark.parametrize(
    "section", [policy_schema()["properties"], policy_schema()["$defs"]["TypeEntry"]["properties"]]
)
def test_the_guide_explains_every_key(section: dict[str, object]) -> None:
    assert [key for key in section if f"`{key}`" not in GUIDE] == []


@pytest.mark.parametrize(
    ("operator", "name"), [(operator, name) for operator, names in PARAMETERS.items() for name in names]
)
def test_the_guide_explains_every_parameter_of_an_operator(operator: str, name: str) -> None:
    default = PARAMETERS[operator][name].default
    choices = PARAMETERS[operator][name].choices
    first = "all but `redact` and `keep`" if name == "on_failure" else f"`{operator}`"
    rows = re.findall(rf"^\| {first} \| `{name}` \| (.*?) \| (.*) \|$", GUIDE, re.M)
    assert len(rows) == 1
    shown, meaning = rows[0]
    said_in_words = default is None or name == "zip3_census"
    assert said_in_words != (shown == f"`{str(default).lower()}`")
    assert name == "zip3_census" or all(f"`{choice}`" in meaning for choice in choices)


def test_the_guide_turns_encrypted_text_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    monkeypatch.chdir(tmp_path)
    new_key_file(Path("deid.key"))
    token = Encrypt().replace("0012345", {"entity_type": "MRN", "keys": Keys.from_file("deid.key")})
    names = {"text": f"MRN {token}, seen."}
    exec(compile(block, "policy-guide.md", "exec"), names)
    assert names["original"] == "MRN 0012345, seen."


def test_gates_come_from_the_parent_and_are_no_part_of_the_digest(tmp_path: Path) -> None:
    parent = tmp_path / "parent.yaml"
    parent.write_text(
        "policy: p\nversion: '1'\nextends: safe-harbor\ngates: {recall: 0.99, 'recall:SSN': 1.0}\n"
    )
    child = tmp_path / "child.yaml"
    child.write_text("policy: p\nversion: '1'\nextends: ./parent.yaml\n")
    plain = tmp_path / "plain.yaml"
    plain.write_text("policy: p\nversion: '1'\nextends: safe-harbor\n")
    assert load_policy(child).gates == {"recall": 0.99, "recall:SSN": 1.0}
    assert load_policy(child).digest == load_policy(plain).digest


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ("recal: 0.9", "did you mean 'recall'"),
        ("recall: 99", "lies in 0..1"),
        ("'precision:SSN': 1", "measure"),
    ],
)
def test_gates_that_cannot_be(tmp_path: Path, gates: str, message: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"policy: p\nversion: '1'\nextends: safe-harbor\ngates: {{{gates}}}\n")
    with pytest.raises(PolicyError, match=message):
        load_policy(path)

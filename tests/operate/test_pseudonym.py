from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.errors import KeyMaterialError, PolicyError
from deid.keys import Keys
from deid.operate.failure import OperatorFailure
from deid.operate.pseudonym import Pseudonym, group_names, keyed_code, number_values
from deid.operate.subject import Subject

KEYS = Keys.from_bytes(b"k" * 32)
MENTIONS = (
    ("CLINICIAN_NAME", "Ada Brook"),
    ("CLINICIAN_NAME", "Theo Marsh"),
    ("MRN", "0012345"),
    ("MRN", "0067890"),
    ("PATIENT_NAME", "JOHN"),
    ("PATIENT_NAME", "John Smith"),
    ("PATIENT_NAME", "Smith, John"),
)
SUBJECT = Subject("p1", MENTIONS)


def replace(text: str, entity_type: str, subject: Subject | None = SUBJECT, **params: object) -> str:
    given_params = {"entity_type": entity_type, "keys": KEYS, "subject": subject, **params}
    return Pseudonym().replace(text, given_params)


def test_variants_of_one_name_share_a_number() -> None:
    forms = ("John Smith", "SMITH,  JOHN", "john")
    assert {replace(form, "PATIENT_NAME") for form in forms} == {"PATIENT_1"}


def test_distinct_values_are_numbered_from_one() -> None:
    assert {replace(text, "MRN") for text in ("0012345", "0067890")} == {"MRN_1", "MRN_2"}
    names = {replace(text, "CLINICIAN_NAME") for text in ("Ada Brook", "Theo Marsh")}
    assert names == {"CLINICIAN_1", "CLINICIAN_2"}


def test_order_of_mentions_does_not_matter() -> None:
    names = [("CLINICIAN_NAME", f"Ada Brook{'abcdefghij'[n]}") for n in range(10)]
    shuffled = names[:]
    random.Random(5).shuffle(shuffled)
    numbers = number_values(KEYS, Subject("p1", tuple(names)), "CLINICIAN_NAME")
    assert numbers == number_values(KEYS, Subject("p1", tuple(shuffled)), "CLINICIAN_NAME")
    assert sorted(numbers.values()) == list(range(1, 11))


def test_numbers_do_not_follow_the_alphabet() -> None:
    mentions = tuple(("MRN", f"00{n}") for n in range(10, 30))
    numbers = number_values(KEYS, Subject("p1", mentions), "MRN")
    assert [numbers[value] for _, value in mentions] != list(range(1, 21))


def test_operator_follows_the_subject_it_is_given() -> None:
    operator = Pseudonym()
    subjects = [Subject(f"p{n}", (("MRN", f"00{n}"),)) for n in range(3)]
    for subject in subjects:
        params = {"entity_type": "MRN", "keys": KEYS, "subject": subject}
        assert operator.replace(subject.mentions[0][1], params) == "MRN_1"
        with pytest.raises(OperatorFailure):
            operator.replace("0099999", params)


@pytest.mark.parametrize("subject", [None, Subject("p1")])
def test_a_value_nobody_listed_is_not_numbered(subject: Subject | None) -> None:
    with pytest.raises(OperatorFailure) as error:
        replace("0012345", "MRN", subject)
    assert "0012345" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["john smith", "smith", "smith, john", "john"], [["john", "john smith", "smith", "smith, john"]]),
        (["john smith", "mary smith", "smith"], [["john smith"], ["mary smith"], ["smith"]]),
        (["j. smith", "john smith"], [["j. smith", "john smith"]]),
        (["j. smith", "john smith", "jane smith"], [["j. smith"], ["jane smith"], ["john smith"]]),
        (["john smith", "john smith jr."], [["john smith", "john smith jr."]]),
        (["john q smith", "john smith", "smith"], [["john q smith", "john smith", "smith"]]),
        (["okonkwo-reyes", "ada okonkwo-reyes"], [["ada okonkwo-reyes", "okonkwo-reyes"]]),
        (["j.s.", "john smith"], [["j.s."], ["john smith"]]),
        (["007", "john smith"], [["007"], ["john smith"]]),
        ([], []),
    ],
)
def test_group_names(names: list[str], groups: list[list[str]]) -> None:
    assert sorted(list(group) for group in group_names(names)) == groups
    assert sorted(list(group) for group in group_names(reversed(names))) == groups


@given(st.sets(st.text(alphabet="ab c,.", min_size=1, max_size=6), max_size=8))
def test_every_name_is_in_one_group(names: set[str]) -> None:
    assert sorted(name for group in group_names(names) for name in group) == sorted(names)


def test_random_code_comes_from_the_crosswalk() -> None:
    subject = Subject("p1", code="8F3K-22QX")
    params = {"entity_type": "PATIENT_NAME", "subject": subject, "code": "random"}
    assert Pseudonym().replace("Smith", params) == "[PATIENT 8F3K-22QX]"


def test_without_a_random_code_it_fails() -> None:
    with pytest.raises(OperatorFailure):
        replace("John Smith", "PATIENT_NAME", code="random")


def test_keyed_code_depends_on_key_and_subject_alone() -> None:
    code = keyed_code(KEYS, Subject("p1"))
    assert re.fullmatch(r"(?:[0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}", code)
    assert replace("anything", "PATIENT_NAME", code="keyed") == f"[PATIENT {code}]"
    assert keyed_code(KEYS, Subject("p1", MENTIONS)) == code
    others = {keyed_code(KEYS, Subject("p2")), keyed_code(Keys.from_bytes(b"m" * 32), Subject("p1"))}
    assert len(others | {code}) == 3


def test_nobody_has_no_keyed_code() -> None:
    with pytest.raises(OperatorFailure):
        replace("Smith", "PATIENT_NAME", None, code="keyed")


def test_key_is_needed() -> None:
    with pytest.raises(KeyMaterialError):
        Pseudonym().replace("John Smith", {"entity_type": "PATIENT_NAME", "subject": SUBJECT})


def test_wrong_code() -> None:
    with pytest.raises(PolicyError, match=r"pseudonym\.code: .*did you mean 'random'"):
        Pseudonym().validate({"code": "randm"})

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.errors import PolicyError
from deid.operate.failure import OperatorFailure
from deid.operate.zip3 import restricted_areas, zip3, zip3_source, zip_areas

LISTS = {
    "2000": "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893",
    "2010": "036 059 102 203 205 369 556 692 821 823 878 879 884 893",
    "2020": "036 059 102 202 203 204 205 369 556 692 753 772 821 823 878 879 884 893",
}


@pytest.mark.parametrize("census", LISTS)
def test_lists(census: str) -> None:
    assert " ".join(restricted_areas(census)) == LISTS[census]


def test_union_is_the_default() -> None:
    every = {area for areas in LISTS.values() for area in areas.split()}
    assert restricted_areas() == restricted_areas("union") == tuple(sorted(every))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("02139", "021"), ("02139-1234", "021"), ("02139 1234", "021"), ("021391234", "021"),
        (" 02139\n", "021"),
        ("03601", "000"), ("83001", "000"), ("75301", "000"),
        ("00012", "000"), ("09012", "000"), ("34012", "000"), ("99950", "999"), ("88801", "000"),
        ("00601", "006"),
    ],
)  # fmt: skip
def test_zip3(text: str, expected: str) -> None:
    assert zip3(text) == expected


@pytest.mark.parametrize(
    ("census", "expected"), [("2000", "000"), ("2010", "830"), ("2020", "830"), ("union", "000")]
)
def test_census_decides(census: str, expected: str) -> None:
    assert zip3("83001", census) == expected


@pytest.mark.parametrize(
    "text", ["", "0213", "021391", "SW1A 1AA", "K1A 0B1", "MA 02139", "٠٢١٣٩", "02139-12"]
)
def test_no_zip_code(text: str) -> None:
    with pytest.raises(OperatorFailure):
        zip3(text)


@given(st.from_regex(r"[0-9]{5}(-[0-9]{4})?", fullmatch=True), st.sampled_from([*LISTS, "union"]))
def test_only_assigned_unrestricted_areas_come_out(text: str, census: str) -> None:
    area = zip3(text, census)
    assert area in ("000", text[:3])
    assert area not in restricted_areas(census)
    assert area == "000" or area in zip_areas().assigned


def test_unknown_census() -> None:
    with pytest.raises(PolicyError, match="did you mean '2020'"):
        restricted_areas("202")


def test_source_for_the_manifest() -> None:
    source = zip3_source("2010")
    assert source["census"] == "2010"
    assert source["years"] == ["2010"]
    assert " ".join(source["restricted"]) == LISTS["2010"]
    assert zip3_source()["years"] == ["2000", "2010", "2020"]


def test_assigned_areas_agree_with_the_package_they_are_from() -> None:
    zipcodes = pytest.importorskip("zipcodes")
    delivery = {
        code["zip_code"][:3]
        for code in zipcodes.list_all()
        if code["active"] and code["zip_code_type"] == "STANDARD"
    }
    assert zip_areas().assigned == delivery

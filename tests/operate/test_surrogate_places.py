from __future__ import annotations

import re

import pytest

from deid.keys import Keys
from deid.operate.failure import OperatorFailure
from deid.operate.subject import Subject
from deid.operate.surrogate import Surrogate
from deid.operate.surrogates.lists import rows
from deid.operate.surrogates.places import is_city
from deid.operate.surrogates.regions import find_state, states

KEYS = Keys.from_bytes(b"a secret for tests, 32 bytes long")


def draw(kind: str, text: str, mentions: tuple[tuple[str, str], ...] = (), patient: str = "p1") -> str:
    params = {"entity_type": kind, "keys": KEYS, "subject": Subject(patient, mentions)}
    return Surrogate().replace(text, params)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1234 Maple Street", r"[1-9]\d{3} [A-Z][a-z]+( [A-Z][a-z]+)? Street"),
        ("12 Oak St, Apt 4B", r"[1-9]\d [A-Z][a-z ]+[A-Za-z]* St, Apt [1-9][A-Z]"),
        ("14B Baker St", r"[1-9]\d[A-Z] [A-Z][A-Za-z ]+ St"),
        ("PO Box 118", r"PO Box [1-9]\d\d"),
        ("P.O. Box 118", r"P\.O\. Box [1-9]\d\d"),
        ("88 East 42nd St NW", r"[1-9]\d East [1-9]\d(st|nd|rd|th) St NW"),
        ("120 Broadway", r"[1-9]\d\d [A-Z][A-Za-z ]+"),
        ("7 St. James Place", r"[1-9] St\. [A-Z][A-Za-z ]+ Place"),
        ("1600 MARTIN LUTHER KING JR BLVD", r"[1-9]\d{3} [A-Z ]+ BLVD"),
        ("5 oak hill rd", r"[1-9] [a-z ]+ rd"),
        ("301 Avenue C", r"[1-9]\d\d Avenue [A-Z]"),
        ("Park Place", r"[A-Z][A-Za-z ]+ Place"),
        ("Rural Route 2 Box 14", r"Rural Route [1-9] Box [1-9]\d"),
        ("4 Elm Ave\nUnit 3", r"[1-9] [A-Z][A-Za-z ]+ Ave\nUnit [1-9]"),
        ("9 Juniper\nHollow Rd", r"[1-9] [A-Z][A-Za-z ]+\n[A-Z][A-Za-z ]+ Rd"),
    ],
)
def test_street_addresses_keep_their_form(text: str, shape: str) -> None:
    new = draw("STREET_ADDRESS", text)
    assert re.fullmatch(shape, new)
    for word in re.findall(r"\d\d+|Maple|Oak|Baker|James|MARTIN|Juniper|Elm", text):
        assert not re.search(rf"\b{word}\b", new)


def test_the_same_street_in_another_case_and_with_another_number() -> None:
    street = draw("STREET_ADDRESS", "1234 Maple Street").split(maxsplit=1)[1]
    assert draw("STREET_ADDRESS", "77 MAPLE Street").split(maxsplit=1)[1].lower() == street.lower()


@pytest.mark.parametrize(
    ("number", "ending"),
    [("1", "st"), ("22", "nd"), ("103", "rd"), ("11", "th"), ("112", "th"), ("40", "th")],
)
def test_ordinal_endings(number: str, ending: str) -> None:
    from deid.operate.surrogates.streets import like_ordinal

    assert like_ordinal(number, "th") == ending
    assert like_ordinal(number, "TH") == ending.upper()


def test_all_of_an_address_moves_to_one_state() -> None:
    new = draw("STREET_ADDRESS", "4 Elm Ave., Springfield, IL 62701")
    match = re.fullmatch(r"\d .+ Ave\., (.+), ([A-Z]{2}) (\d{5})", new)
    assert match
    state = find_state(match[2])
    assert state
    assert state.code == draw("STATE", "IL")
    assert match[3][:3] in state.prefixes
    assert match[3] == draw("ZIP_CODE", "62701")
    assert _is_in(match[1], state.code)


def _is_in(city: str, code: str) -> bool:
    return any(row[0] == city and row[1:3] == ("US", code) for row in rows("cities"))


@pytest.mark.parametrize("patient", [f"p{number}" for number in range(10)])
def test_a_city_with_its_state_and_alone(patient: str) -> None:
    alone = draw("CITY", "Boston", patient=patient)
    state = draw("STATE", "MA", patient=patient)
    assert draw("CITY", "Boston, MA", patient=patient) == f"{alone}, {state}"
    assert draw("CITY", "BOSTON MA", patient=patient) == f"{alone.upper()} {state}"
    assert _is_in(alone, state)


def test_a_city_of_several_states_is_the_one_in_the_notes() -> None:
    mentions = (("STATE", "Oregon"),)
    assert _is_in(draw("CITY", "Springfield", mentions), draw("STATE", "OR", mentions))


def test_size_and_country_of_a_city_are_kept() -> None:
    sizes = {row[0]: row[3] for row in sorted(rows("cities"), key=lambda row: row[3]) if row[1] == "US"}
    news = [draw("CITY", "Houston", patient=f"p{number}") for number in range(30)]
    assert sum(sizes[new] >= "2" for new in news) > 20  # some states have no big city
    french = {row[0] for row in rows("cities") if row[1] == "FR"}
    assert draw("CITY", "Marseille") in french


@pytest.mark.parametrize("text", ["Littleville Corners", "boston", "SAN DIEGO", "Zürich", "San\nDiego"])
def test_cities_keep_their_case(text: str) -> None:
    new = draw("CITY", text)
    assert new.casefold() != text.casefold()
    assert (new.isupper(), new.islower()) == (text.isupper(), text.islower())
    assert is_city(new.replace("\n", " "))


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("MA", "[A-Z]{2}"),
        ("ma", "[a-z]{2}"),
        ("N.Y.", r"[A-Z]\.[A-Z]\."),
        ("Massachusetts", "[A-Z][a-z]+( [A-Za-z]+)*"),
        ("TEXAS", "[A-Z ]+"),
        ("texas", "[a-z ]+"),
        ("Elbonia", "[A-Z][a-z]+( [A-Za-z]+)*"),
    ],
)
def test_states_keep_their_form(text: str, shape: str) -> None:
    assert re.fullmatch(shape, draw("STATE", text))


def test_forms_of_a_state_agree_and_the_country_stays() -> None:
    code = draw("STATE", "MA")
    other = find_state(code)
    assert other
    assert draw("STATE", "Massachusetts") == other.name
    assert find_state(draw("STATE", "Mass.")) == other
    assert find_state(draw("STATE", "Ontario")).country == "CA"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Guatemala", "[A-Z].+"),
        ("GUATEMALA", "[A-Z ]+"),
        ("USA", "[A-Z]{3}"),
        ("US", "[A-Z]{2}"),
        ("U.S.A.", "[A-Z][a-z].*"),
        ("UK", "[A-Z][a-z].*"),
        ("Elbonia", "[A-Z].+"),
    ],
)
def test_countries(text: str, shape: str) -> None:
    assert re.fullmatch(shape, draw("COUNTRY", text))


def test_a_country_stays_on_its_continent() -> None:
    continent = {row[0]: row[3] for row in rows("countries")}
    assert {continent[draw("COUNTRY", "Vietnam", patient=f"p{n}")] for n in range(15)} == {"AS"}


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("02115", r"\d{5}"),
        ("02115-1234", r"\d{5}-\d{4}"),
        ("02115 1234", r"\d{5} \d{4}"),
        ("021", r"\d{3}"),
        ("99999", r"\d{5}"),
        ("K1A 0B1", r"[A-Z]\d[A-Z] \d[A-Z]\d"),
        ("SW1A 1AA", r"[A-Z]{2}\d[A-Z] \d[A-Z]{2}"),
    ],
)
def test_zip_codes_keep_their_form(text: str, shape: str) -> None:
    new = draw("ZIP_CODE", text)
    assert re.fullmatch(shape, new)
    assert new != text


def test_zip_codes_are_of_the_surrogate_state() -> None:
    other = find_state(draw("STATE", "MA"))
    assert other
    assert draw("ZIP_CODE", "02115")[:3] in other.prefixes
    assert draw("ZIP_CODE", "02115-1234")[:5] == draw("ZIP_CODE", "02115")


def test_no_prefix_is_in_two_states() -> None:
    prefixes = [prefix for state in states() for prefix in state.prefixes]
    assert len(prefixes) == len(set(prefixes))


@pytest.mark.parametrize(
    ("kind", "text", "shape"),
    [
        ("HOSPITAL", "St. Brannock's Hospital", r"St\. [A-Z][a-z]+'s Hospital"),
        ("HOSPITAL", "Quillmere General Hospital", "[A-Z][a-z]+ General Hospital"),
        ("HOSPITAL", "General Hospital", "[A-Z][a-z]+ General Hospital"),
        ("HOSPITAL", "BRANNOCK AND WOMEN'S HOSPITAL", "[A-Z]+ AND WOMEN'S HOSPITAL"),
        ("HOSPITAL", "Oak Ridge Nursing\nHome", "[A-Z][a-z]+ Nursing\nHome"),
        ("HOSPITAL", "Oak\nRidge Clinic", "[A-Z][a-z]+\n Clinic"),
        ("HOSPITAL", "5 Quarles", "[1-9] [A-Z][a-z]+"),
        ("HOSPITAL", "QGH", "[A-Z]{3}"),
        ("HOSPITAL", "QGH ICU", "[A-Z]+ ICU"),
        ("HOSPITAL", "shady pines", "[a-z]+"),
        ("ORGANIZATION", "Quarles National Bank", "[A-Z][a-z]+ National Bank"),
        ("ORGANIZATION", "Quillmere Widgets, Inc.", r"[A-Z][a-z]+, Inc\."),
        ("ORGANIZATION", "PS 118", r"[A-Z]{2} [1-9]\d\d"),
        ("ORGANIZATION", "Local 42", r"Local [1-9]\d"),
        ("ORGANIZATION", "Quillmere High School", "[A-Z][a-z]+ High School"),
        ("LOCATION_OTHER", "Lake Quillmere", "Lake [A-Z][a-z]+"),
        ("LOCATION_OTHER", "Quarles County", "[A-Z][a-z]+ County"),
        ("LOCATION_OTHER", "Central Park", "[A-Z][a-z]+ Central Park"),
    ],
)
def test_institutions_keep_the_word_of_the_kind(kind: str, text: str, shape: str) -> None:
    new = draw(kind, text)
    assert re.fullmatch(shape, new)
    assert not re.search(r"Brannock|Quillmere|Quarles|\bRidge\b|QGH|118|42", new, re.IGNORECASE)


def test_an_institution_keeps_its_name_over_forms() -> None:
    new = draw("HOSPITAL", "Quillmere General Hospital").split()[0]
    assert draw("HOSPITAL", "QUILLMERE CLINIC") == f"{new.upper()} CLINIC"


def test_an_abbreviation_follows_the_full_name() -> None:
    mentions = (("HOSPITAL", "QGH"), ("HOSPITAL", "Quillmere General Hospital"))
    full = draw("HOSPITAL", "Quillmere General Hospital", mentions)
    assert draw("HOSPITAL", "QGH", mentions) == f"{full[0]}GH"


@pytest.mark.parametrize("kind", ["HOSPITAL", "ORGANIZATION", "LOCATION_OTHER", "CITY", "STATE", "COUNTRY"])
def test_no_word_no_place(kind: str) -> None:
    with pytest.raises(OperatorFailure):
        draw(kind, "--")


@pytest.mark.parametrize("kind", ["STREET_ADDRESS", "ZIP_CODE"])
def test_no_sign_no_address(kind: str) -> None:
    with pytest.raises(OperatorFailure):
        draw(kind, ", -")

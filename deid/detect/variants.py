"""The written forms of a name or number, and a search for all of them at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import ahocorasick

from deid.detect.fold import Folded, fold
from deid.detect.lists import word_list
from deid.note import Finding

NAME_TYPES = frozenset({"PATIENT_NAME", "RELATIVE_NAME", "CLINICIAN_NAME"})
_SHORTEST_PART = 3
_SHORTEST_SMALL = 4  # a shorter name needs a capital
_FEWEST_DIGITS = 5
_PARTICLES = frozenset(
    "van von der den de del della la le du al el bin ibn dos das san ter ten".split()  # noqa: SIM905
)
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
_PART = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_SEPARATORS = str.maketrans("", "", " \t\n\r-./()")
# What notes write in small letters; a name among them needs a capital.
_WORDS = (
    "cell_words", "clinical_abbreviations", "clinical_brands", "clinical_words", "common_words", "degrees",
    "demonyms", "drugs", "eponyms", "facility_words", "name_stops", "name_words", "number_labels",
    "organization_words", "person_words", "staff_roles", "street_stops", "title_words",
)  # fmt: skip
_POSSESSIVE = re.compile(r"'s?(?= )")
_WORD = re.compile(r"[^\W\d_]+")
# What may be a title; the Fr of `16 Fr Foley` is none.
_TITLE = re.compile(r"(?<!\d)(?<!\d[ -])\b([^\W\d_]+)\.? $")
_LONGEST_TITLE = 12
_LONGEST_ENDINGS = 4  # 's and es
_REST = re.compile(r"\.[^\W\d_][^\W\d_.]*(?:\.[^\W\d_]*)*")


@dataclass(frozen=True, slots=True)
class Form:
    """One written form to look for.

    Args:
        text: Folded and case-folded; compact forms are without white space and separators.
        compact: Whether to look in the text without white space and separators.
        capital: Whether an occurrence must begin with a capital letter to count.
        finding: What an occurrence is: type, score, detector and evidence; its offsets are ignored.
    """

    text: str
    compact: bool
    capital: bool
    finding: Finding


def name_forms(name: str, like: Finding, *, certain: bool) -> Iterator[Form]:
    """Yield the forms of a person's name: as written, reversed, with initials, and its parts.

    Args:
        name: As written: ``Smith, John Q.`` or ``John Q. Smith``.
        like: What an occurrence is.
        certain: Whether the name is known for sure; else parts that are also common words are left out.
    """
    plain = fold(name).text.casefold()
    last, comma, first = plain.partition(",")
    order = f"{first} {last}" if comma else plain
    parts = [part for part in _PART.findall(order) if part not in _SUFFIXES]
    if not parts:
        return
    joined = {plain.strip(), " ".join(parts)}
    if len(parts) > 1:
        given, family = parts[0], " ".join(parts[1:])
        last = parts[-1]
        joined |= {f"{last}, {given}", f"{last} {given}", f"{family}, {given}", f"{given} {last}"}
        joined |= {f"{given[0]}. {last}", f"{given[0]} {last}", f"{last}, {given[0]}"}
    for form in sorted(joined):
        if len(form) >= _SHORTEST_PART:
            single = " " not in form
            if not (single and _is_common(form) and not certain):
                yield Form(form, compact=False, capital=single and not _is_only_name(form), finding=like)
    for part in sorted({piece for whole in parts for piece in (whole, *whole.split("-"))}):
        usable = len(part) >= _SHORTEST_PART and part not in _PARTICLES
        if usable and (certain or not _is_common(part)):
            yield Form(part, compact=False, capital=not _is_only_name(part), finding=like)


def _is_common(word: str) -> bool:
    """Say whether a part of a name is also an ordinary or clinical word."""
    return word in word_list("common_words") or word in word_list("name_stops")


def _is_only_name(name: str) -> bool:
    """Say whether a single name is one in small letters too: `villanueva`, and no `rose` or `walker`."""
    if len(name) < _SHORTEST_SMALL or _is_word(name):
        return False
    return not all(_is_word(part) for part in name.split("-"))


def _is_word(name: str) -> bool:
    """Say whether a name is also a word of notes; of the further eponyms those are that nobody is called."""
    if any(name in word_list(words) for words in _WORDS):
        return True
    is_name = name in word_list("surnames") or name in word_list("given_names")
    return name in word_list("eponyms_more") and not is_name


def number_forms(value: str, like: Finding) -> Iterator[Form]:
    """Yield the forms of a number or code: with any separators, and without its leading zeros.

    Args:
        value: As written.
        like: What an occurrence is.
    """
    compact = fold(value).text.casefold().translate(_SEPARATORS)
    for form in sorted({compact, compact.lstrip("0")}):
        if sum(sign.isdigit() for sign in form) >= _FEWEST_DIGITS:
            yield Form(form, compact=True, capital=False, finding=like)


def phrase_forms(value: str, like: Finding) -> Iterator[Form]:
    """Yield a place, an address or a log-in as written, whatever its case and line breaks.

    Args:
        value: As written.
        like: What an occurrence is.
    """
    form = " ".join(fold(value).text.casefold().split())
    if len(form) >= _SHORTEST_PART and form not in word_list("common_words"):
        yield Form(form, compact=False, capital=form.isalpha(), finding=like)


class FormSearch:
    """Finds all written forms of many values in one pass over a text (Aho and Corasick 1975).

    Args:
        forms: What to look for.
    """

    def __init__(self, forms: Iterable[Form]) -> None:
        groups: dict[bool, dict[str, list[Form]]] = {False: {}, True: {}}
        for form in forms:
            group = groups[form.compact].setdefault(form.text, [])
            if form not in group:
                group.append(form)
        self._automata = {compact: _automaton(group) for compact, group in groups.items() if group}

    def find(self, text: str) -> tuple[Finding, ...]:
        """Return an occurrence for each form found at word boundaries, sorted.

        Args:
            text: A note.
        """
        found: set[Finding] = set()
        folded = fold(text)
        lower = "".join(low if len(low := sign.casefold()) == 1 else sign for sign in folded.text)
        if not folded.text.isascii() or not lower.isprintable():
            lower = "".join(" " if sign.isspace() else sign for sign in lower)
        if False in self._automata:
            for end, forms in self._automata[False].iter(lower):
                found |= set(_occurrences(folded, lower, end + 1, forms))
        if True in self._automata:
            kept = [index for index, sign in enumerate(lower) if sign.translate(_SEPARATORS)]
            compact = "".join(lower[index] for index in kept)
            for end, forms in self._automata[True].iter(compact):
                first, last = kept[end - len(forms[0].text) + 1], kept[end] + 1
                found |= set(_bounded(folded, first, last, forms))
        return tuple(sorted(found))


def _automaton(group: dict[str, list[Form]]) -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for text, forms in group.items():
        automaton.add_word(text, forms)
    automaton.make_automaton()
    return automaton


def _occurrences(folded: Folded, lower: str, end: int, forms: list[Form]) -> Iterator[Finding]:
    start = end - len(forms[0].text)
    # A note in lower case has no capitals to ask for.
    has_case = any(sign.isupper() for sign in folded.text[max(start - 200, 0) : end + 200])
    capital = folded.text[start].isupper() or not has_case
    return _bounded(folded, start, end, [form for form in forms if capital or not form.capital])


def _bounded(folded: Folded, start: int, end: int, forms: list[Form]) -> Iterator[Finding]:
    text = folded.text
    if (start and text[start - 1].isalnum()) or (end < len(text) and text[end].isalnum()):
        return
    if _ends_in_abbreviation(text, start, end):
        return
    if any(form.finding.entity_type in NAME_TYPES for form in forms) and _is_in_eponym(text, start, end):
        forms = [form for form in forms if form.finding.entity_type not in NAME_TYPES]
    first, last = folded.original(start, end)
    for form in forms:
        like = form.finding
        yield Finding(first, last, like.entity_type, like.score, like.detector, like.evidence)


def _ends_in_abbreviation(text: str, start: int, end: int) -> bool:
    """Say whether the last letter is no initial: the M of `Kulkarni, M.D.`, the d of `Moxon, d.o.b.`."""
    if end - start < 2 or text[end - 2].isalnum() or not (rest := _REST.match(text, end)):
        return False
    plain = f"{text[end - 1]}{rest.group()}".replace(".", "").casefold()
    return plain in word_list("degrees") or plain in word_list("clinical_abbreviations")


def _is_in_eponym(text: str, start: int, end: int) -> bool:
    """Say whether a name without a title is a part of a term: the Parkinson of `Wolff-Parkinson-White`."""
    terms = _eponym_terms().get(text[start:end].casefold())
    if terms is None:
        return False
    pattern, longest = terms
    spans = [match.span() for match in pattern.finditer(text, max(start - longest, 0), end + longest)]
    if not any(first <= start and end <= last and last - first > end - start for first, last in spans):
        return False
    title = _TITLE.search(text, max(start - _LONGEST_TITLE, 0), start)
    return title is None or title[1].casefold() not in word_list("title_words")


@cache
def _eponym_terms() -> Mapping[str, tuple[re.Pattern[str], int]]:
    """Return for each word of an eponymous term a pattern of its terms and the length of the longest."""
    terms: dict[str, list[str]] = {}
    for term in sorted(word_list("eponym_terms")):
        for word in _WORD.findall(term):
            terms.setdefault(word, []).append(term)
    return {
        word: (
            re.compile(rf"(?<!\w)(?:{'|'.join(map(_term_pattern, of_word))})(?:e?s)?(?!\w)", re.IGNORECASE),
            max(map(len, of_word)) + _LONGEST_ENDINGS,
        )
        for word, of_word in terms.items()
    }


def _term_pattern(term: str) -> str:
    return "(?:'s?)?".join(part.replace(" ", "[ -]") for part in _POSSESSIVE.split(term))

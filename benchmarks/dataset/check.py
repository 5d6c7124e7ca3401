"""Check notes for what marking by hand gets wrong: ``python benchmarks/dataset/check.py [FOLDER ...]``.

Prints ``file:line: what`` and exits 1 if there is anything. The notes are invented, so surfaces are printed.
A surface that is meant to stay unmarked in a note (a Mrs. Will who will come) is declared in its header:
``unmarked: Will, May``.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from deid.errors import DeidError
from deid.formats.markup import GoldMention, read_marked
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
WORDS = (120, 500)
SHORT = "train-short"  # a folder of shorter notes, not counted among the others
KEYS = ("kind", "patient_id", "note_date", "origins", "english", "style", "unmarked")
_ORIGINS = (
    "anglo irish scottish welsh german dutch scandinavian french italian hispanic portuguese polish russian"
    " ukrainian balkan hungarian greek turkish armenian arabic persian jewish somali ethiopian nigerian"
    " ghanaian southern_african east_african indian tamil punjabi bengali pakistani sri_lankan nepali chinese"
    " korean japanese vietnamese thai hmong filipino indonesian pacific maori native_american hawaiian"
    " haitian caribbean african_american"
)
ORIGINS = frozenset(_ORIGINS.split())
ENGLISH = frozenset({"us", "uk", "au", "in", "ca", "ie", "nz", "za"})
_STYLES = "dictation caps lower telegraphic ocr hl7 keyvalue table letter portal fax copyforward"
STYLES = frozenset(_STYLES.split())
NAMES = ("PATIENT_NAME", "RELATIVE_NAME", "CLINICIAN_NAME")
LOOSE = {"AGE", "USERNAME", "STATE", "PROFESSION", "DATE"}
TITLE = re.compile(
    r"^(dr|mr|mrs|ms|miss|prof|professor|sister|sr|rev|father|fr|sgt|officer|judge|hon|capt|lt)\b\.?\s|"
    r"[,\s](m\.?d|d\.?o|r\.?n|l\.?p\.?n|n\.?p|p\.?a(-c)?|ph\.?d|d\.?d\.?s|esq|lcsw|msw|frcs|mbbs|cnm|crna|emt(-p)?)\.?$|"
    r"['’]s$",
    re.IGNORECASE,
)
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
LOOKS = {
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.\w+"),
    "a web address": re.compile(
        r"\b(?:https?://|www\.)\S+|\b[\w-]+\.(?:example|test|invalid)\b", re.IGNORECASE
    ),
    "a telephone number": re.compile(r"\b(?:\d{3}[-.) ]{1,2})?555[-. ]?01\d\d\b|\b01632 ?960|\b07700 ?900"),
    "a Social Security number": re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    "a date": re.compile(
        r"(?<![\d/.-])(?:\d{1,2}[/.-]\d{1,2}[/.-](?:19|20)?\d{2}|(?:19|20)\d{2}-\d{2}-\d{2})(?![\d/%-]|\.\d)"
        rf"|\b{MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?\b(?! ?(?:mg|mcg|ml|%))"
        rf"|\b\d{{1,2}}(?:st|nd|rd|th)? {MONTH}\b"
        rf"|\b{MONTH}\.?,? ['’]?(?:19|20)?\d{{2}}\b|\b\d{{1,2}}-{MONTH}-\d{{2,4}}\b",
        re.IGNORECASE,
    ),
    "a year": re.compile(
        r"(?<=\bin )(?:19[3-9]|20[0-4])\d\b(?! ?(?:mg|ml))|(?<=\bsince )(?:19[3-9]|20[0-4])\d\b"
    ),
    "a weekday": re.compile(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b", re.IGNORECASE),
    "an age": re.compile(r"\b\d{1,3}(?=[ -]?(?:year|yr)s?[ -]old\b|[ -]?y/?o\b)", re.IGNORECASE),
    "a titled name": re.compile(r"\b(?:Dr|Mr|Mrs|Ms)\.? +[A-Z][a-z]{2,}"),
    "a long number": re.compile(r"(?<![\d.,/:-])\d{7,}(?![\d%])"),
}


@dataclass(frozen=True, slots=True)
class MarkedNote:
    """A note with its marks.

    Args:
        path: Its file.
        header: What its header says, by key.
        text: The note without marks.
        mentions: The marks.
        offset: Lines before the note in the file.
    """

    path: Path
    header: dict[str, str]
    text: str
    mentions: tuple[GoldMention, ...]
    offset: int

    def surface(self, mention: GoldMention) -> str:
        """Return the marked text."""
        return self.text[mention.start : mention.end]

    def at(self, position: int, what: str) -> str:
        """Word a finding."""
        line = self.text.count("\n", 0, position) + 1 + self.offset
        return f"{self.path.parent.name}/{self.path.name}:{line}: {what}"


def read_note(path: Path, types: Iterable[str]) -> MarkedNote:
    """Read a note.

    Raises:
        DeidError: for a header or a mark that is not as GUIDELINES.md says.
    """
    head, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    header: dict[str, str] = {}
    for line in head.splitlines():
        key, colon, value = line.partition(":")
        if not colon or key not in KEYS or key in header:
            raise DeidError(f"{path.name}: a header line is none of {', '.join(KEYS)}")
        header[key] = value.strip()
    body = body.strip("\n") + "\n"
    text, mentions = read_marked(body, types=set(types), place=path.name)
    return MarkedNote(path, header, text, mentions, head.count("\n") + 2)


def check_header(note: MarkedNote) -> Iterator[str]:
    """Yield what is wrong with a header or with the length."""
    known = (
        ("origins", ORIGINS, {word.strip() for word in note.header.get("origins", "").split(",")} - {""}),
        ("english", ENGLISH, {note.header["english"]} if "english" in note.header else set()),
        ("style", STYLES, set(note.header.get("style", "").replace(",", " ").split())),
    )
    for key, allowed, used in known:
        if used - allowed:
            yield note.at(
                0, f"{key}: {', '.join(sorted(used - allowed))} is not in the list of GUIDELINES.md"
            )
    if not note.header.get("kind"):
        yield note.at(0, "there is no kind")
    if note.header.get("patient_id") != note.path.stem.rpartition("-")[0]:
        yield note.at(0, "patient_id is not the file's name without the note's number")
    if note.header.get("note_date"):
        try:
            date.fromisoformat(note.header["note_date"])
        except ValueError:
            yield note.at(0, "note_date is not an ISO date")
    words = len(note.text.split())
    if note.path.parent.name != SHORT and not WORDS[0] <= words <= WORDS[1]:
        yield note.at(0, f"{words} words, not {WORDS[0]} to {WORDS[1]}")


def check_marks(note: MarkedNote) -> Iterator[str]:
    """Yield marks that hold too much, and text that looks like PHI and is not marked."""
    covered = bytearray(len(note.text))
    for mention in note.mentions:
        covered[mention.start : mention.end] = b"\1" * (mention.end - mention.start)
        if mention.entity_type in NAMES and TITLE.search(note.surface(mention)):
            yield note.at(mention.start, f"title, degree or possessive in the name {note.surface(mention)!r}")
    allowed = {word.strip() for word in note.header.get("unmarked", "").split(",")}
    for what, pattern in LOOKS.items():
        for match in pattern.finditer(note.text):
            if match[0].strip() not in allowed and not any(covered[match.start() : match.end()]):
                yield note.at(match.start(), f"unmarked, looks like {what}: {match[0]!r}")


def check_repeats(notes: list[MarkedNote]) -> Iterator[str]:
    """Yield surfaces of one patient that are marked in one place and unmarked in another."""
    surfaces: dict[str, str] = {}
    for note in notes:
        for mention in note.mentions:
            surface = note.surface(mention)
            if mention.entity_type not in LOOSE and len(surface) > 2:
                surfaces.setdefault(surface, mention.entity_type)
            if mention.entity_type in NAMES:
                for word in re.findall(r"[^\W\d_][\w'’-]{2,}", surface):
                    surfaces.setdefault(word, mention.entity_type)
    for note in notes:
        covered = bytearray(len(note.text))
        for mention in note.mentions:
            covered[mention.start : mention.end] = b"\1" * (mention.end - mention.start)
        allowed = {word.strip() for word in note.header.get("unmarked", "").split(",")}
        for surface, kind in surfaces.items():
            if surface in allowed or surface.islower():
                continue
            for match in re.finditer(rf"(?<!\w){re.escape(surface)}(?!\w)", note.text):
                if not any(covered[match.start() : match.end()]):
                    yield note.at(match.start(), f"{surface!r} is marked {kind} elsewhere and not here")


def check_near_duplicates(notes: list[MarkedNote], *, share: float = 0.2) -> Iterator[str]:
    """Yield pairs of notes of different patients that have too many runs of six words in common."""
    owners: dict[tuple[str, ...], set[int]] = defaultdict(set)
    counts: list[int] = []
    for index, note in enumerate(notes):
        words = note.text.lower().split()
        runs = {tuple(words[i : i + 6]) for i in range(len(words) - 5)}
        counts.append(len(runs))
        for run in runs:
            owners[run].add(index)
    common: dict[tuple[int, int], int] = defaultdict(int)
    for indices in owners.values():
        ordered = sorted(indices)
        for position, first in enumerate(ordered):
            for second in ordered[position + 1 :]:
                common[first, second] += 1
    for (first, second), count in common.items():
        same_patient = notes[first].header["patient_id"] == notes[second].header["patient_id"]
        if not same_patient and count > share * min(counts[first], counts[second]):
            yield notes[second].at(0, f"shares {count} runs of six words with {notes[first].path.name}")


def check(folders: Iterable[Path]) -> tuple[list[MarkedNote], list[str]]:
    """Read and check all notes of some folders."""
    types = load_policy("base").type_names
    notes: list[MarkedNote] = []
    findings: list[str] = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.txt")):
        try:
            notes.append(read_note(path, types))
        except DeidError as error:
            findings.append(f"{path.parent.name}/{path.name}: {error}")
    patients: dict[str, list[MarkedNote]] = defaultdict(list)
    for note in notes:
        patients[note.header.get("patient_id", note.path.stem)].append(note)
        findings += [*check_header(note), *check_marks(note)]
    for same in patients.values():
        findings += check_repeats(same)
    findings += check_near_duplicates(notes)
    return notes, findings


def main() -> None:
    """Check the folders named, or all notes."""
    notes, findings = check([Path(name) for name in sys.argv[1:]] or [HERE / "notes"])
    for finding in findings:
        print(finding)
    patients = {note.header.get("patient_id") for note in notes}
    mentions = sum(len(note.mentions) for note in notes)
    few = sum(len(note.mentions) <= 2 for note in notes)
    print(f"{len(notes)} notes of {len(patients)} patients, {mentions} mentions, {few} notes with at most 2")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()

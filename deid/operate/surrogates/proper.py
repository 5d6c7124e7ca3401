"""Names made of a proper name and a word of the kind: the first is replaced, the second stays."""

from __future__ import annotations

from functools import cache

from deid.operate.surrogates.lists import rows
from deid.operate.surrogates.words import Word, like, words_of

Run = tuple[Word, ...]


@cache
def head_words(kind: str) -> frozenset[str]:
    """Return the folded words that stay in names of a kind (Hospital, Street, County)."""
    return frozenset(word for row in rows("head_words") if row[0] in (kind, "any") for word in row[1].split())


def proper_runs(text: str, kind: str, *, apart: frozenset[int] = frozenset()) -> list[Run]:
    """Return the stretches of proper names in a text: words that are no head words, with only space between.

    Args:
        text: The mention.
        kind: Row of ``head_words.tsv``.
        apart: Where words start that are replaced in another way.
    """
    keep = head_words(kind)
    runs: list[list[Word]] = []
    end = -1
    for word in words_of(text):
        if word.key in keep or word.start in apart:
            end = -1
            continue
        between = text[end : word.start] if end >= 0 else "|"
        if runs and not between.strip(" \t\r\n-&'’"):
            runs[-1].append(word)
        else:
            runs.append([word])
        end = word.end
    return [tuple(run) for run in runs]


def run_key(run: Run) -> str:
    """Return the form in which proper names are compared."""
    return " ".join(word.key for word in run)


def write_run(text: str, run: Run, name: str) -> tuple[int, int, str]:
    """Return the piece that puts a name in the place of a run, in its case and with its line break.

    Args:
        text: The mention.
        run: The words replaced.
        name: The new name, of one or more words.
    """
    original = text[run[0].start : run[-1].end]
    new = like(original, name)
    if "\n" in original:
        new = new.replace(" ", "\n", 1) if " " in new else new + "\n"
    return run[0].start, run[-1].end, new

"""Write deid/detect/lists/clinical_words.txt: ``python benchmarks/build_clinical_words.py DATA``.

DATA holds the public corpora (see benchmarks/training/corpora.yaml). A word counts when it stands in small
letters in several records of clinical text (ACI-Bench, MTS-Dialog, PriMock57) or of abstracts (BioNLP), or in
several training notes of the dataset outside their marks. Words that are names of people or places, and
frequent English words, are left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from deid.detect.lists import word_list
from deid.formats.gold import read_gold

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "deid" / "detect" / "lists" / "clinical_words.txt"
HEADER = """\
# Words of clinical text that are not frequent in English, casefolded; those that are also names of people or
# places were taken out.
# Source: ACI-Bench, MTS-Dialog, PriMock57, BioNLP shared tasks 2011 and 2013 (all CC BY 4.0), training notes
# of this project.
"""
CLINICAL = ("aci_bench_train", "mts_dialog", "primock57")
ABSTRACTS = ("bionlp11epi", "bionlp11id", "bionlp13ge", "bionlp13pc")
# In how many records a word must stand.
LEAST_CLINICAL, LEAST_ABSTRACTS, LEAST_NOTES = 2, 4, 2
LEFT_OUT = ("given_names", "surnames", "cities", "common_words")
_WORD = re.compile(r"(?<![\w'’.@/-])[a-z]{4,}(?![\w'’@/-]|\.\w)")


def main() -> None:
    """Count, choose and write."""
    data = Path(sys.argv[1])
    chosen: set[str] = set()
    for least, texts in (
        (LEAST_CLINICAL, corpus_texts(data / "clinical_text", CLINICAL)),
        (LEAST_ABSTRACTS, corpus_texts(data / "many_types", ABSTRACTS)),
        (LEAST_NOTES, note_texts()),
    ):
        counts = Counter(word for text in texts for word in set(_WORD.findall(text)))
        chosen.update(word for word, count in counts.items() if count >= least)
    for name in LEFT_OUT:
        chosen -= word_list(name)
    TARGET.write_text(HEADER + "".join(f"{word}\n" for word in sorted(chosen)), encoding="utf-8")
    print(f"{len(chosen)} words")


def corpus_texts(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """Yield the texts of corpora."""
    for name in names:
        with (folder / f"{name}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]


def note_texts() -> Iterator[str]:
    """Yield the training notes without what is marked."""
    for note, mentions in read_gold(HERE / "dataset" / "train.jsonl"):
        parts, at = [], 0
        for mention in mentions:
            parts.append(note.text[at : mention.start])
            at = mention.end
        yield " \n".join([*parts, note.text[at:]])


if __name__ == "__main__":
    main()

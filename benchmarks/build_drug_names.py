"""Write deid/detect/lists/drugs.txt: ``python benchmarks/build_drug_names.py WHEEL``.

WHEEL is the PyPI package drug-named-entity-recognition 2.0.9 (MIT), whose names stem from the open DrugBank
vocabulary (CC0), MeSH, MedlinePlus and Wikipedia. Its data is a pickle: it is read by an unpickler that makes
nothing but plain containers. Names that are also given names, surnames or cities are left out, and so are
frequent English words.
"""

from __future__ import annotations

import bz2
import io
import pickle
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

from deid.detect.lists import word_list

TARGET = Path(__file__).resolve().parents[1] / "deid" / "detect" / "lists" / "drugs.txt"
DATA = "drug_named_entity_recognition/drug_ner_dictionary.pkl.bz2"
HEADER = """\
# Names of drugs, generic and brand, casefolded; those that are also names of people or places were taken out.
# Source: PyPI package drug-named-entity-recognition 2.0.9 (MIT): DrugBank open vocabulary (CC0), MeSH.
"""
_NAME = re.compile(r"[a-z]{5,20}")


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Make sets and nothing else."""
        if (module, name) == ("builtins", "set"):
            return set
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def main() -> None:
    """Read the wheel and write the list."""
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        content = bz2.decompress(wheel.read(DATA))
    entries = _PlainUnpickler(io.BytesIO(content)).load()
    names = {name for name in strings(entries) if _NAME.fullmatch(name)}
    for taken in ("given_names", "surnames", "cities", "common_words"):
        names -= word_list(taken)
    TARGET.write_text(HEADER + "".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")
    print(f"{len(names)} names")


def strings(value: Any) -> set[str]:
    """Return all names below a value, casefolded: keys, and what stands under name and synonyms.

    Args:
        value: Nested containers.
    """
    if isinstance(value, str):
        return {value.casefold()}
    if isinstance(value, dict):
        wanted = [value[key] for key in ("name", "synonyms") if key in value]
        keys = set() if wanted else {key.casefold() for key in value if isinstance(key, str)}
        parts = wanted or list(value.values())
        return keys.union(*map(strings, parts)) if parts else keys
    if isinstance(value, list | tuple | set):
        return set().union(*map(strings, value)) if value else set()
    return set()


if __name__ == "__main__":
    main()

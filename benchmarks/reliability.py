"""How far the encoder's scores can be believed: a reliability diagram on the dev notes.

    python benchmarks/reliability.py [--model DIR]

Every word of the dev notes that some type of `base` scores at .02 or more goes into a bin by its strongest
score; the picture shows the share of them that lie in a marked mention. Writes docs/reliability.svg.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from deid.encoder.model import DescriptionEncoder
from deid.formats.gold import read_gold
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
EDGES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    encoder = DescriptionEncoder(arguments.model)
    vectors = encoder.describe({kind.name: kind for kind in load_policy("base").types})
    gold = list(read_gold(HERE / "dataset" / "dev.jsonl"))
    words = [encoder.split(note.text) for note, _ in gold]
    strongest: list[float] = []
    marked: list[bool] = []
    for (note, mentions), split, (inside, _) in zip(gold, words, encoder.scores(words, vectors), strict=True):
        for at, score in enumerate(inside.max(1)):
            start = int(split.starts[at])
            if score >= EDGES[0] and note.text[start].isalnum():
                strongest.append(float(score))
                marked.append(any(each.start <= start < each.end for each in mentions))
    place = np.digitize(strongest, EDGES[1:-1])
    scores, hits = np.asarray(strongest), np.asarray(marked)
    rows = []
    for index in range(len(EDGES) - 1):
        own = place == index
        if own.any():
            rows.append((float(scores[own].mean()), float(hits[own].mean()), int(own.sum())))
    error = sum(abs(score - share) * count for score, share, count in rows) / len(strongest)
    print("mean score   share in mentions   words")
    for score, share, count in rows:
        print(f"{score:>10.3f}{share:>20.3f}{count:>8}")
    print(f"expected calibration error {error:.3f}")
    if arguments.model is None:
        (HERE.parent / "docs" / "reliability.svg").write_text(picture(rows, error), encoding="utf-8")


def picture(rows: list[tuple[float, float, int]], error: float) -> str:
    """Return the diagram as SVG.

    Args:
        rows: Mean score, share in mentions and number of words of each bin.
        error: Expected calibration error.
    """
    most = max(count for _, _, count in rows)
    dots = "".join(
        f'<circle cx="{60 + 300 * score:.1f}" cy="{330 - 300 * share:.1f}" '
        f'r="{3 + 7 * (count / most) ** 0.5:.1f}" fill="#2f6f8f" fill-opacity=".75"/>'
        for score, share, count in rows
    )
    ticks = "".join(
        f'<text x="{60 + 300 * value:.0f}" y="350" text-anchor="middle">{value:g}</text>'
        f'<text x="50" y="{334 - 300 * value:.0f}" text-anchor="end">{value:g}</text>'
        for value in (0, 0.2, 0.4, 0.6, 0.8, 1.0)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="390" viewBox="0 0 400 390"'
        ' font-family="sans-serif" font-size="12"><rect width="400" height="390" fill="#fff"/>'
        '<rect x="60" y="30" width="300" height="300" fill="none" stroke="#d9dfe5"/>'
        '<line x1="60" y1="330" x2="360" y2="30" stroke="#8b97a3" stroke-dasharray="4 4"/>'
        f"{ticks}{dots}"
        '<text x="210" y="375" text-anchor="middle">strongest score of a word</text>'
        '<text x="16" y="180" text-anchor="middle" transform="rotate(-90 16 180)">'
        "share of them in a mention</text>"
        f'<text x="70" y="50">expected calibration error {error:.3f}</text></svg>\n'
    )


if __name__ == "__main__":
    main()

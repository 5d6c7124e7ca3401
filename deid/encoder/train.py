"""Training: one config file in, one model folder out; stoppable anywhere and resumed exactly."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor
from torch.nn import functional as F

from deid.encoder.base_weights import load_base
from deid.encoder.batches import BatchMaker, Labelled, TrainingBatch
from deid.encoder.checkpoint import load_checkpoint, save_checkpoint
from deid.encoder.config import EncoderConfig
from deid.encoder.corpus import CorpusSpec, read_types
from deid.encoder.curve import add_to_curve
from deid.encoder.network import Network
from deid.encoder.refill import Refiller
from deid.encoder.sources import read_corpus
from deid.encoder.teacher import Teacher, read_frozen
from deid.encoder.weights import Calibration, ModelFolder
from deid.encoder.windows import Batch
from deid.encoder.words import SHAPE_COUNT, WordPieces
from deid.errors import UsageError

_POSITIVE_WEIGHT = 2.0


class BaseSpec(BaseModel):
    """What to start from: a BERT checkpoint, or a model folder that an earlier stage wrote.

    Args:
        weights: safetensors file with the keys of ``BertModel``.
        vocabulary: Its vocab.txt.
        source_layers: Which of its layers to take; all when empty.
        model: A model folder; takes the place of the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: str = ""
    vocabulary: str = ""
    source_layers: tuple[int, ...] = ()
    model: str = ""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.model) == bool(self.weights and self.vocabulary):
            raise ValueError("give either weights and vocabulary, or model")
        return self


class TrainingSpec(BaseModel):
    """A training run; relative paths start from the config file's folder.

    Args:
        output: Model folder to write.
        work: Folder for checkpoints and the learning curve.
        base: The checkpoint to start from.
        network: Sizes that differ from the defaults.
        types: ``policy:NAME`` or globs of catalogue files.
        corpora: Where texts come from.
        pools: JSON file of surfaces that surrogates are made from; needed where a corpus is refilled.
        seed: Makes every draw.
        steps: Optimizer steps.
        texts: Texts in a batch.
        types_per_batch: Types in a batch.
        pieces: Longest window in pieces.
        learning_rate: Peak rate of the trunk.
        head_factor: Rate of the heads and the shape embedding, against the trunk's.
        warmup: Steps of linear warm-up.
        last_rate: Share of the peak rate that the linear decay after the warm-up ends at.
        checkpoint_minutes: Time between checkpoints.
        frozen_layers: Layers, from the first on, that stay as they are, and the embeddings with them.
        described_by: A model folder whose network reads the descriptions. Its type vectors stay as they are;
            the network learns to find what they stand for, and by a quarter of the descriptions a step to
            read them as the other does. For a base that cannot read descriptions yet: the types have their
            places from the first step on.
        teachers: Model folders. The network learns towards what they say together, the mean of their logits,
            about every word and type of a batch (Hinton et al. 2015).
        taught: Share of the loss, 0 to 1, that is towards the teachers where there are any; the rest is
            towards the marks.
        kept: Weight of what the model that the run starts from says of types of which a text says nothing, so
            that they are not forgotten (Li and Hoiem 2016); 0 for none.
        quantized: Texts are read as 8-bit arithmetic will read them, so that the weights learn to bear it.
        compiled: Layers are compiled first, which takes a minute and a C++ compiler; steps take a quarter
            less time after it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: str
    work: str
    base: BaseSpec
    network: dict[str, int] = {}
    types: tuple[str, ...]
    corpora: tuple[CorpusSpec, ...]
    pools: str | None = None
    seed: int
    steps: int
    texts: int = 32
    types_per_batch: int = 32
    pieces: int = 192
    learning_rate: float = 2e-4
    head_factor: float = 3.0
    warmup: int = 50
    last_rate: float = 0.03
    checkpoint_minutes: float = 5.0
    frozen_layers: int = 0
    described_by: str = ""
    teachers: tuple[str, ...] = ()
    taught: float = Field(0.5, ge=0, le=1)
    kept: float = 0.0
    quantized: bool = False
    compiled: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training run is.

    Args:
        step: Steps done.
        steps: Steps asked for.
        loss: Mean loss since the last report.
        seconds: Time since the last report.
    """

    step: int
    steps: int
    loss: float
    seconds: float


def read_spec(path: Path) -> TrainingSpec:
    """Read a training config.

    Raises:
        UsageError: if it is missing or a key is wrong; names the key path.
    """
    if not path.is_file():
        raise UsageError(f"training config {path} is not there")
    try:
        return TrainingSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {place}: {first['msg']}") from None


def has_fast_bfloat16() -> bool:
    """Say whether this processor multiplies 16-bit floats itself (in software it takes six times as long)."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


class Trainer:
    """Carries out a `TrainingSpec`.

    Args:
        spec: The run.
        folder: What its relative paths start from.
        device: ``cpu``, ``cuda`` or ``auto``.
        threads: Processor threads of this process; all when None.
    """

    def __init__(
        self, spec: TrainingSpec, folder: Path, *, device: str = "auto", threads: int | None = None
    ) -> None:
        self._spec, self._folder = spec, folder
        if threads is not None:
            torch.set_num_threads(threads)
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._device = torch.device(chosen)
        self._halved = chosen == "cuda" or has_fast_bfloat16()
        torch.manual_seed(spec.seed)
        self._start()
        self._network.to(self._device)
        for frozen in self._frozen():
            frozen.requires_grad_(False)
        self._earlier = copy.deepcopy(self._network).requires_grad_(False) if spec.kept else None
        self._describer: Network | None = None
        describing: WordPieces | None = None
        if spec.described_by:
            self._describer, describing = self._other()
        self._optimizer = self._make_optimizer()
        types = read_types(spec.types, folder)
        self._teachers = [Teacher(folder / each, types, self._device) for each in spec.teachers]
        if spec.compiled:
            self._compile()
        refiller = Refiller.read(folder / spec.pools) if spec.pools else None
        read = (read_corpus(corpus, folder, refiller=refiller, types=types) for corpus in spec.corpora)
        self.corpora = tuple(corpus for corpus in read if corpus is not None)
        sizes = (spec.texts, spec.types_per_batch, spec.pieces)
        pieces = WordPieces(self._vocabulary)
        self._batches = BatchMaker(self.corpora, types, pieces, sizes=sizes, seed=spec.seed)
        self._batches.describing = describing
        self._work = folder / spec.work
        self._work.mkdir(parents=True, exist_ok=True)

    def _start(self) -> None:
        """Make the network and fill it from the base."""
        base = self._spec.base
        if base.model:
            earlier = ModelFolder.open(self._folder / base.model)
            self._config, self._vocabulary = earlier.config(), earlier.vocabulary()
            self._network = Network(self._config)
            self._network.load(earlier.weights())
            return
        self._config = EncoderConfig(**{"shapes": SHAPE_COUNT, **self._spec.network})
        self._vocabulary = self._folder / base.vocabulary
        self._network = Network(self._config)
        layers = base.source_layers or None
        load_base(self._network, self._folder / base.weights, source_layers=layers)

    def _compile(self) -> None:
        """Compile the layers of every network that reads."""
        others = (self._describer,) if self._describer else ()
        for network in (self._network, *others, *(teacher.network for teacher in self._teachers)):
            for layer in network.layers:
                layer.compile(dynamic=True)

    def _other(self) -> tuple[Network, WordPieces]:
        """Return the network that reads the descriptions and its pieces; begin with its scale and bias."""
        folder = ModelFolder.open(self._folder / self._spec.described_by)
        config = folder.config()
        if config.projection != self._config.projection:
            raise UsageError(
                f"described_by: its vectors have {config.projection} numbers, not {self._config.projection}"
            )
        network = read_frozen(folder, self._device)
        with torch.no_grad():
            for own, other in ((self._network.scale, network.scale), (self._network.bias, network.bias)):
                own.copy_(other)
        return network, WordPieces(folder.vocabulary())

    def _frozen(self) -> tuple[torch.nn.Module, ...]:
        """Return what is not trained: without its gradients a step takes two thirds of the time."""
        network, count = self._network, self._spec.frozen_layers
        embeddings = (network.word_embedding, network.position_embedding)
        if not count:
            return embeddings
        return (*embeddings, network.shape_embedding, network.embedding_norm, *network.layers[:count])

    def _make_optimizer(self) -> torch.optim.AdamW:
        spec = self._spec
        heads = ("word_head", "type_head", "shape_embedding", "scale", "bias")
        new: list[torch.nn.Parameter] = []
        old: list[torch.nn.Parameter] = []
        for name, parameter in self._network.named_parameters():
            if parameter.requires_grad:
                (new if name.startswith(heads) else old).append(parameter)
        groups = [
            {"params": old, "lr": spec.learning_rate, "peak": spec.learning_rate},
            {
                "params": new,
                "lr": spec.learning_rate * spec.head_factor,
                "peak": spec.learning_rate * spec.head_factor,
            },
        ]
        return torch.optim.AdamW(groups, weight_decay=0.01)

    def train(self, report: Callable[[Progress], None], *, every: int = 20) -> ModelFolder:
        """Train from the last checkpoint, or from the start, to the end.

        Args:
            report: Called every `every` steps.
            every: Steps between reports.

        Returns:
            The model folder written; all its thresholds are one half until `calibrate` sets them.
        """
        checkpoint = self._work / "checkpoint.safetensors"
        done = load_checkpoint(checkpoint, self._network, self._optimizer) if checkpoint.is_file() else 0
        losses: list[float] = []
        saved = reported = time.monotonic()
        self._network.train()
        for step in range(done, self._spec.steps):
            losses.append(self._step(step))
            now = time.monotonic()
            if (step + 1) % every == 0:
                progress = Progress(step + 1, self._spec.steps, float(np.mean(losses)), now - reported)
                self._log(progress)
                report(progress)
                losses, reported = [], now
            if now - saved > self._spec.checkpoint_minutes * 60:
                save_checkpoint(checkpoint, self._network, self._optimizer, step=step + 1)
                saved = now
        save_checkpoint(checkpoint, self._network, self._optimizer, step=self._spec.steps)
        return self.export()

    def export(self) -> ModelFolder:
        """Write the network's present state as a model folder."""
        state = self._network.state_dict()
        return ModelFolder.write(
            self._folder / self._spec.output,
            config=self._config,
            weights={name: value.detach().float().cpu().numpy() for name, value in state.items()},
            vocabulary=self._vocabulary,
            calibration=Calibration(0.0, 0.5, {}, {}, ""),
        )

    def _step(self, step: int) -> float:
        spec = self._spec
        warm = (step + 1) / spec.warmup
        rest = 1 - (1 - spec.last_rate) * (step - spec.warmup) / max(spec.steps - spec.warmup, 1)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * min(warm, rest, 1.0)
        loss = self._loss(self._batches.make(step))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        return float(loss.detach())

    def _loss(self, batch: TrainingBatch) -> Tensor:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._halved):
            types = self._described(batch)
            scored = [self._score(self._network, part, types) for part in batch.parts]
        total, positives = torch.zeros((), device=self._device), 1.0
        for logits, part in zip(scored, batch.parts, strict=True):
            for head, labels in enumerate((part.inside, part.begin)):
                target = self._tensor(labels)
                weight = self._tensor(part.weight) * (1 + (_POSITIVE_WEIGHT - 1) * target)
                entropy = F.binary_cross_entropy_with_logits(logits[head].float(), target, reduction="none")
                total = total + (entropy * weight).sum()
                positives += float(labels.sum())
        marked = total / positives
        if self._teachers:
            taught = self._spec.taught
            marked = (1 - taught) * marked + taught * self._untaught(batch, scored)
        return marked + self._forgotten(batch, scored) + self._misread(batch, types)

    def _untaught(self, batch: TrainingBatch, scored: Sequence[Tensor]) -> Tensor:
        """Return how far the network is from what its teachers say together."""
        total, positives = torch.zeros((), device=self._device), 1.0
        for logits, part in zip(scored, batch.parts, strict=True):
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._halved):
                said = [teacher.scores(part.passages, batch.names) for teacher in self._teachers]
            wanted = torch.stack([each for each, _ in said]).mean(0).sigmoid()
            read = torch.stack([words for _, words in said]).amin(0)[..., None]
            weight = read * (1 + (_POSITIVE_WEIGHT - 1) * wanted)
            total = total + (_divergence(logits, wanted) * weight).sum()
            positives += float((wanted * read).sum())
        return total / positives

    def _described(self, batch: TrainingBatch) -> Tensor:
        """Return [T, 2, P] type vectors, by whichever network reads the descriptions."""
        reader = self._describer or self._network
        with torch.set_grad_enabled(self._describer is None):
            return torch.cat([reader.describe(*self._arrays(part)) for part in batch.descriptions])

    def _misread(self, batch: TrainingBatch, types: Tensor) -> Tensor | float:
        """Return how far the network's own reading of some descriptions is from the other's."""
        if batch.own is None:
            return 0.0
        part, which = batch.own
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._halved):
            own = self._network.describe(*self._arrays(part))
        return (1 - (own * types[which]).sum(-1)).mean()

    def _forgotten(self, batch: TrainingBatch, scored: Sequence[Tensor]) -> Tensor | float:
        """Return how far the network has left the earlier model where the texts say nothing of a type."""
        if self._earlier is None:
            return 0.0
        total, count = torch.zeros((), device=self._device), 1.0
        with torch.no_grad():
            earlier = [self._earlier.describe(*self._arrays(part)) for part in batch.descriptions]
            types = torch.cat(earlier)
        for logits, part in zip(scored, batch.parts, strict=True):
            with torch.no_grad():
                wanted = self._score(self._earlier, part, types).float().sigmoid()
            word = (self._tensor(part.batch.pool).sum(-1) > 0).float()[..., None]
            silent = word * (1 - self._tensor(part.weight))
            total = total + (_divergence(logits, wanted) * silent).sum()
            count += float((wanted * silent).sum())
        return self._spec.kept * total / count

    def _score(self, network: Network, part: Labelled, types: Tensor) -> Tensor:
        hidden = network.trunk(*self._arrays(part.batch), quantized=self._spec.quantized)
        return network.score(hidden, self._tensor(part.batch.pool), types)

    def _arrays(self, batch: Batch) -> Iterable[Tensor]:
        return (self._tensor(array) for array in (batch.ids, batch.shapes, batch.mask))

    def _tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        tensor = torch.from_numpy(array).to(self._device)
        return tensor.long() if tensor.dtype == torch.int32 else tensor

    def _log(self, progress: Progress) -> None:
        curve = self._work / "curve.csv"
        add_to_curve(curve, step=progress.step, loss=progress.loss, seconds=progress.seconds)


def _divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return how far each logit is from the probability wanted, in nats: zero where they agree."""
    entropy = F.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none")
    return entropy - F.binary_cross_entropy(wanted, wanted, reduction="none")

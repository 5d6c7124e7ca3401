"""Networks that say what another is to learn, as in distillation (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from deid.encoder.batches import Passage
from deid.encoder.corpus import TrainingType
from deid.encoder.describe import wordings
from deid.encoder.network import Network
from deid.encoder.weights import ModelFolder
from deid.encoder.windows import Batch, Window, lay_out
from deid.encoder.words import WordPieces, Words


def read_frozen(folder: ModelFolder, device: torch.device) -> Network:
    """Return the network of a model folder for reading only.

    Args:
        folder: The model.
        device: Where it computes.
    """
    network = Network(folder.config())
    network.load(folder.weights())
    return network.to(device).eval().requires_grad_(False)


class Teacher:
    """A trained network that scores passages by a vocabulary and type vectors of its own.

    Args:
        folder: Model folder.
        types: What it may be asked for, by name; read in the fullest wording, when first asked for.
        device: Where it computes.
    """

    def __init__(self, folder: Path, types: Mapping[str, TrainingType], device: torch.device) -> None:
        model = ModelFolder.open(folder)
        self._config = model.config()
        self.network = read_frozen(model, device)
        self._pieces = WordPieces(model.vocabulary())
        self._types, self._device = types, device
        self._vectors: dict[str, Tensor] = {}

    def scores(self, passages: Sequence[Passage], names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Score the words of passages against types.

        Args:
            passages: B of them, of at most W words, padded to a multiple as windows are.
            names: T types.

        Returns:
            [2, B, W, T] logits: inside, begin; and [B, W] 1 for a word that it read, 0 for padding and for
            what lies beyond its last position.
        """
        texts = [self._pieces.split(passage.text) for passage in passages]
        batch = self._lay_out(
            [
                (words, passage.first_word, passage.last_word)
                for words, passage in zip(texts, passages, strict=True)
            ]
        )
        pool = torch.from_numpy(batch.pool).to(self._device)
        with torch.no_grad():
            types = self._described(names)
            logits = self.network.score(self.network.trunk(*self._arrays(batch)), pool, types)
        return logits.float(), (pool.sum(-1) > 0).float()

    def _described(self, names: Sequence[str]) -> Tensor:
        """Return [T, 2, P] type vectors."""
        for name in names:
            if name not in self._vectors:
                # One by one: in company it would be padded, and a resumed run has other company.
                words = self._pieces.split(wordings(self._types[name])[0])
                batch = self._lay_out([(words, 0, len(words))])
                (self._vectors[name],) = self.network.describe(*self._arrays(batch))
        return torch.stack([self._vectors[name] for name in names])

    def _lay_out(self, stretches: Sequence[tuple[Words, int, int]]) -> Batch:
        """Lay stretches of words out, each cut where the network's positions end."""
        most = self._config.positions - 2
        windows = [
            Window(index, first, last, min(int(words.first_piece[last] - words.first_piece[first]), most))
            for index, (words, first, last) in enumerate(stretches)
        ]
        return lay_out(windows, [words for words, _, _ in stretches], self._pieces)

    def _arrays(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        ids, shapes, mask = (
            torch.from_numpy(each).to(self._device) for each in (batch.ids, batch.shapes, batch.mask)
        )
        return ids.long(), shapes.long(), mask

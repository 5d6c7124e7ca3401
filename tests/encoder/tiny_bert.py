"""A tiny checkpoint in the format of OpenBioNER, and its logits worked out from the format's description."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

PIECES = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "Seen", "seen", "by", "Dr", "Lima", "Ortiz", "on", "at", "Hill"),
    *(
        "##s",
        "##side",
        "Clinic",
        "the",
        "name",
        "of",
        "a",
        "patient",
        "place",
        "B12",
        "12",
        "##12",
        "J",
        "##an",
    ),
    *(".", ",", ":", ";", "[", "]", "For", "example", "-"),
)
POSITIONS = 96


CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "vocab_size": len(PIECES),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
    "finetuning_task": {"dropout_prob": 0.5},
}


def make_bert() -> Any:
    return BertModel(BertConfig.from_dict(CONFIG | {"attn_implementation": "eager"}))


def ids(*pieces: str) -> list[int]:
    return [PIECES.index(piece) for piece in pieces]


def write_checkpoint(folder: Path, *, seed: int = 1) -> dict[str, torch.Tensor]:
    """Write a checkpoint with random weights and return its parameters."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(seed)
    bert = make_bert()
    state = {f"bert.{name}": value for name, value in bert.state_dict().items()}
    state["bert.embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    for name in ("linear", "linear_zero", "linear_zero2", "linear_zero3"):
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.zeros(1, 32), torch.zeros(1)
    for name, value in state.items():
        if value.is_floating_point():
            norm = "LayerNorm.weight" in name
            state[name] = torch.randn(value.shape) * 0.3 + (1.0 if norm else 0.0)
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\nInvented.\n", encoding="utf-8")
    return state


def reference(
    state: dict[str, torch.Tensor],
    text: Sequence[int],
    words: Sequence[Sequence[int]],
    descriptions: Sequence[Sequence[int]],
) -> npt.NDArray[np.float64]:
    """Return [words, 1 + types] logits, "no type" first, one sequence at a time.

    Args:
        state: The checkpoint's parameters.
        text: Vocabulary ids of the text.
        words: For each word the positions of its pieces.
        descriptions: Vocabulary ids of each description.
    """
    bert = make_bert().double().eval()
    named = {name.removeprefix("bert."): value for name, value in state.items() if name.startswith("bert.")}
    bert.load_state_dict({name: value for name, value in named.items() if "position_ids" not in name})
    (cls, sep), size = ids("[CLS]", "[SEP]"), len(text)

    def read(sequence: list[int], kinds: list[int]) -> Any:
        with torch.inference_mode():
            hidden = bert(torch.tensor([sequence]), token_type_ids=torch.tensor([kinds])).last_hidden_state
        return hidden[0, 1 : size + 1]

    def head(name: str, hidden: Any) -> list[float]:
        weight, bias = state[f"{name}.weight"].double(), state[f"{name}.bias"].double()
        of_pieces = (hidden @ weight.T + bias)[:, 0]
        return [float(of_pieces[list(pieces)].mean()) for pieces in words]

    none = [head("linear_zero3", read([cls, *text], [0] * (size + 1)))]
    classes = []
    for description in descriptions:
        sequence = [cls, *text, sep, *description, sep]
        hidden = read(sequence, [0] * (size + 1) + [1] * (len(description) + 2))
        none.append(head("linear_zero2", hidden))
        classes.append(head("linear", hidden))
    return np.stack([np.max(none, axis=0), *classes], axis=1)

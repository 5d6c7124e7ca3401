"""A tiny GLiNER model with random weights, as the package saves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_bert import CONFIG, PIECES


def write_gliner(folder: Path) -> Path:
    """Write a model, or skip the test where the package is missing."""
    gliner: Any = pytest.importorskip("gliner", reason="needs the extra: pip install 'clinical-deid[gliner]'")
    transformers: Any = pytest.importorskip("transformers")
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(vocab=str(vocabulary), do_lower_case=False)
    sizes = {key: value for key, value in CONFIG.items() if key != "finetuning_task"}
    config = gliner.GLiNERConfig(
        model_name="/home/somebody/tiny", encoder_config=sizes, hidden_size=32, max_width=3, max_len=40
    )
    torch.manual_seed(1)
    made = gliner.GLiNER._get_gliner_class(config)(
        config, tokenizer=tokenizer, backbone_from_pretrained=False
    )
    made._resize_token_embeddings(made, config, tokenizer)
    made.save_pretrained(folder / "model", safe_serialization=True)
    return folder / "model"

"""Training checkpoints: parameters, optimizer moments and step in one file, replaced atomically."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def save_checkpoint(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, *, step: int) -> None:
    """Write a checkpoint; a kill at any moment leaves the old one or the new one.

    Args:
        path: The file.
        network: Its parameters are stored under ``model.``.
        optimizer: An AdamW over the trained parameters; its moments are stored under ``optimizer.``.
        step: Steps done.
    """
    tensors = {f"model.{name}": value.detach().contiguous() for name, value in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for moment in _MOMENTS:
            if moment in optimizer.state.get(parameter, {}):
                value: Tensor = optimizer.state[parameter][moment]
                tensors[f"optimizer.{moment}.{name}"] = value.detach().contiguous()
    temporary = path.with_suffix(".partial")
    save_file(tensors, temporary, metadata={"step": str(step)})
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Read a checkpoint back in place.

    Args:
        path: The file.
        network: Receives the parameters.
        optimizer: Receives the moments.

    Returns:
        Steps done.
    """
    with safe_open(path, framework="pt") as stream:
        tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a mapping
        step = int(stream.metadata()["step"])
    network.load_state_dict(
        {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    )
    for name, parameter in network.named_parameters():
        state = {moment: tensors.get(f"optimizer.{moment}.{name}") for moment in _MOMENTS}
        if state["step"] is not None:
            optimizer.state[parameter] = state
    return step

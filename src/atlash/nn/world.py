"""The processes that learn together; usually one."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import distributed

from atlash.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_NEEDED = ("RANK", "MASTER_ADDR", "MASTER_PORT")
"""What else torchrun sets, so that the processes find each other."""


@dataclass(frozen=True)
class World:
    """One process among those that learn a model.

    Attributes
    ----------
    rank
        Its number; the first, 0, writes files and shows progress.
    size
        Number of processes.
    device
        Where it computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def total(self, numbers: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.size > 1:
            distributed.all_reduce(numbers)
        return numbers

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def joined_world(device: torch.device) -> Iterator[World]:
    """Join the processes that ``torchrun`` has started, if it has; yield this one's place.

    Parameters
    ----------
    device
        Where to compute; on CUDA each process of a machine takes a GPU of its own.

    Raises
    ------
    InputError
        If there are more processes on this machine than GPUs, or the environment tells of
        several without saying how to find them.
    """
    size = _world_size()
    if size == 1:
        yield World(0, 1, device)
        return
    if device.type == "cuda":
        local, n_gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local >= n_gpus:
            msg = (
                f"torchrun started process {local + 1} on a machine with {n_gpus} GPUs; each "
                f"needs one of its own. Lower --nproc-per-node to {n_gpus}."
            )
            raise InputError(msg)
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()


def _world_size() -> int:
    """Return the number of processes that the environment tells of.

    Raises
    ------
    InputError
        If it is no number, or more than one and the others cannot be found.
    """
    told = os.environ.get("WORLD_SIZE", "1")
    missing = [name for name in _NEEDED if not os.environ.get(name)]
    if told.isdecimal() and (int(told) <= 1 or not missing):
        return max(1, int(told))
    msg = (
        f"The environment says WORLD_SIZE={told}, as torchrun does for several processes, but "
        f"{'not ' + ', '.join(missing) if missing else 'that is no number'}. Start with "
        "`torchrun --nproc-per-node 2 -m atlash pretrain ...`, or unset WORLD_SIZE to learn in "
        "one process."
    )
    raise InputError(msg)

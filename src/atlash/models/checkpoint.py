"""Checkpoints of pre-training: whole encoders, with what a resumption needs beside."""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.errors import InputError
from atlash.models.model_folder import commit, read_facts, read_part
from atlash.models.vocabulary import Vocabulary, genes_known
from atlash.nn.gene_transformer import transformer_arrays

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from atlash.config import PretrainConfig
    from atlash.data.normalize import BoundSource
    from atlash.models.domains import Domains
    from atlash.nn.pretrain import Learner

FREE = ("device", "n_threads", "progress", "checkpoint_steps", "checkpoint_seconds")
"""Options that a resumed run may change: the result is the same."""
N_PROBED = 64
"""Cells of a source whose values tell it from another."""
_MEMORY = 100
"""Steps over which the loss that is shown is averaged, about."""


@dataclass
class History:
    """Losses of the steps made.

    Attributes
    ----------
    points
        Pairs of a step and the mean loss since the pair before.
    recent
        A running mean of the loss.
    total, count
        Sum and number of the losses since the last pair.
    """

    points: list[list[float]] = field(default_factory=list)
    recent: float = 0.0
    total: float = 0.0
    count: int = 0

    def note(self, step: int, loss: float) -> None:
        """Note the loss of a step, counted from 1."""
        self.total += loss
        self.count += 1
        share = 1 / min(step, _MEMORY)
        self.recent += share * (loss - self.recent)

    def close(self, step: int) -> None:
        """Add a pair for the steps since the last one."""
        if self.count:
            self.points.append([step, self.total / self.count])
            self.total, self.count = 0.0, 0


@dataclass(frozen=True)
class Settings:
    """What decides the result of a run, as plain JSON.

    Attributes
    ----------
    options
        Options, batch key, seed, and the sum of the given vocabulary.
    sources
        What is known of each source: sizes, scale, genes known, and sums of its names and of
        the values of some cells.
    domains
        Names of the batches.
    """

    options: dict[str, Any]
    sources: list[dict[str, Any]]
    domains: list[str]

    @classmethod
    def of(
        cls,
        config: PretrainConfig,
        *,
        batch_key: str | None,
        names: Sequence[str] | None,
        random_state: int,
        sources: Sequence[BoundSource],
        domains: Domains,
    ) -> Settings:
        """Write down what decides the result."""
        options = {name: value for name, value in asdict(config).items() if name not in FREE}
        options |= {
            "mask_ratios": list(config.mask_ratios),
            "batch_key": batch_key,
            "vocabulary": None if names is None else _sum(names),
            "random_state": random_state,
        }
        told = [
            _source_facts(bound, codes)
            for bound, codes in zip(sources, domains.codes, strict=True)
        ]
        return cls(options, told, list(domains.names))

    def check_same(self, other: Settings, folder: Path) -> None:
        """Raise unless a run with other settings would go on as this one.

        Raises
        ------
        InputError
            They differ; the message shows where.
        """
        found = list(_differences(self.options, other.options, ""))
        if len(self.sources) != len(other.sources):
            found.append(f"{len(self.sources)} inputs, now {len(other.sources)}")
        else:
            for number, (mine, its) in enumerate(
                zip(self.sources, other.sources, strict=True), start=1
            ):
                found += _differences(_told(mine), _told(its), f"input {number} ({its['name']}): ")
        if found:
            msg = (
                f"The run in {str(folder)!r} cannot be resumed, as it would not go on as it "
                f"began: {'; '.join(found)}. Resume with the options and cells that it was "
                "started with, or start anew in another folder."
            )
            raise InputError(msg)


def _told(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides: a file may have another name by now."""
    return {name: value for name, value in source.items() if name != "name"}


def _differences(mine: Mapping[str, Any], its: Mapping[str, Any], prefix: str) -> Iterable[str]:
    for name in sorted({*mine, *its}):
        before, now = mine.get(name), its.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differences(before, now, prefix)
        elif before != now:
            yield f"{prefix}{name} was {before!r}, now {now!r}"


def _source_facts(bound: BoundSource, domain: NDArray[np.int64]) -> dict[str, Any]:
    source = bound.source
    few = np.unique(np.linspace(0, source.n_cells - 1, N_PROBED).astype(np.int64))
    probe = bound.rows(few).X
    values = hashlib.sha256(probe.indptr.astype(np.int64).tobytes())
    values.update(probe.indices.astype(np.int64).tobytes() + probe.data.tobytes())
    return {
        "name": source.name,
        "n_cells": source.n_cells,
        "scale": bound.scale.name,
        **genes_known(bound),
        "sum_of_cell_ids": _sum(source.obs.index),
        "sum_of_gene_names": _sum(source.var.index),
        "sum_of_batches": hashlib.sha256(domain.tobytes()).hexdigest()[:16],
        "sum_of_some_values": values.hexdigest()[:16],
    }


def _sum(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Checkpoint:
    """A state that a run can go on from.

    Attributes
    ----------
    n_steps
        Steps made.
    arrays, moments
        Weights, and the optimiser's state.
    vocabulary
        The genes.
    settings
        What the run was started with.
    history
        Losses so far.
    """

    n_steps: int
    arrays: dict[str, NDArray[np.float32]]
    moments: dict[str, NDArray[np.float32]]
    vocabulary: Vocabulary
    settings: Settings
    history: History


def write_checkpoint(
    folder: Path,
    learner: Learner,
    vocabulary: Vocabulary,
    *,
    settings: Settings,
    history: History,
) -> None:
    """Write a checkpoint in the place of the one before.

    Raises
    ------
    OutputError
        If it cannot be written; the one before stays.
    """
    from safetensors.numpy import save

    history.close(learner.n_steps)
    finished = learner.n_steps == learner.config.n_steps
    table = io.BytesIO()
    vocabulary.to_frame().to_parquet(table)
    parts = {
        "weights": save(transformer_arrays(learner.model)),
        "vocabulary": table.getvalue(),
    }
    if not finished:
        parts["moments"] = save(learner.moments())
    facts = {
        "atlash_version": version("atlash"),
        "torch_version": version("torch"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings.options,
        "sources": settings.sources,
        "n_cells": sum(source["n_cells"] for source in settings.sources),
        "domains": settings.domains,
        "learned": {
            "n_steps": learner.n_steps,
            "finished": finished,
            "recent_loss": history.recent,
            "losses": history.points,
        },
    }
    commit(folder, parts, facts)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read the last checkpoint of a run.

    Raises
    ------
    FileFormatError
        If there is none, or a file is damaged.
    """
    from safetensors.numpy import load

    facts = read_facts(folder)
    learned = facts["learned"]
    parts = {name: read_part(folder, facts, name) for name in facts["files"]}
    frame = pd.read_parquet(io.BytesIO(parts["vocabulary"]))
    return Checkpoint(
        n_steps=learned["n_steps"],
        arrays=load(parts["weights"]),
        moments=load(parts["moments"]) if "moments" in parts else {},
        vocabulary=Vocabulary.from_frame(frame),
        settings=Settings(facts["settings"], facts["sources"], facts["domains"]),
        history=History(learned["losses"], learned["recent_loss"]),
    )

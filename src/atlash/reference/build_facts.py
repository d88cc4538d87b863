"""How a reference was made, as plain facts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.config.rare import loss_config
from atlash.reference.hierarchy import split_labels_key
from atlash.reference.mined import mining_story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlash.data.source import CellSource
    from atlash.models.learn import LearnReport
    from atlash.models.pretrained import PretrainedEncoder
    from atlash.reference.build import BuildRequest
    from atlash.reference.gather import Gathered
    from atlash.reference.labels import Labels


def build_facts(
    request: BuildRequest,
    *,
    sources: Sequence[CellSource],
    labels: Labels,
    gathered: Gathered,
    report: LearnReport,
) -> dict[str, Any]:
    """Return how the reference was made, as plain JSON."""
    counts = np.bincount(labels.codes[labels.codes >= 0])
    train = request.config.train
    name = train.loss if isinstance(train.loss, str) else None
    training = asdict(train) | {"loss": {"name": name} | asdict(loss_config(train.loss))}
    return {
        "atlash_version": version("atlash"),
        "torch_version": version("torch"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "labels_key": split_labels_key(request.labels_key)[1],
        "batch_key": request.batch_key,
        "layer": request.layer,
        "gene_column": request.gene_column,
        "random_state": request.random_state,
        "training": training,
        "sources": [
            {"name": source.name, "n_cells": source.n_cells, "scale": scale.name,
             "scale_evidence": scale.evidence}
            for source, scale in zip(sources, gathered.scales, strict=True)
        ],
        "n_cells": int(counts.sum()),
        "n_unlabelled": labels.n_unlabelled,
        "n_trained_on": len(gathered.cells),
        "n_unlabelled_seen": gathered.cells.n_unlabelled,
        "types": {name: int(n) for name, n in zip(labels.types, counts, strict=True)},
        "learned": {
            "n_steps": report.n_steps,
            "interrupted": report.interrupted,
            "held_out_accuracy": report.held_out_accuracy,
            "anchors": asdict(report.anchors),
            **mining_story(report),
        },
    }  # fmt: skip


def encoder_facts(encoder: PretrainedEncoder | None) -> dict[str, Any]:
    """Return which pre-trained encoder was fine-tuned; nothing if none was."""
    if encoder is None:
        return {}
    return {
        "fine_tuned_from": {
            "fingerprint": encoder.fingerprint,
            "n_steps": encoder.facts["learned"]["n_steps"],
            "n_cells": encoder.facts["n_cells"],
        }
    }

"""An annotator as arrays, tables and plain facts, and back."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from atlash.codes.pack import pack, unpack
from atlash.data.genes import GeneTable
from atlash.data.normalize import Recipe
from atlash.errors import ReferenceFileError
from atlash.models.annotator import Annotator
from atlash.models.calibration import Calibration
from atlash.models.detail import Detail
from atlash.models.detector import Detector
from atlash.models.exemplars import NO_BATCH, Exemplars
from atlash.models.novelty import Novelty, Scorer
from atlash.models.pc_space import PCSpace
from atlash.nn.transformer_encoder import TransformerEncoder
from atlash.nn.weights import EncoderWeights
from atlash.reference.arrays import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from atlash.nn.inference import Encoder

EXEMPLARS, DETECTOR = "exemplars", "detector"
"""Arrays whose names begin so came after the encoder and do not change codes."""
BATCHES = f"{EXEMPLARS}.batches"
PARENT = "parent"
Arrays = dict[str, "NDArray[Any]"]
Part = TypeVar(
    "Part", EncoderWeights, TransformerEncoder, Calibration, PCSpace, Scorer, Detail, Exemplars,
    Detector,
)  # fmt: skip


def annotator_arrays(annotator: Annotator) -> Arrays:
    """Return all numbers of an annotator by name: ``encoder.first``, ``space.axes``, ..."""
    parts: dict[str, Any] = {
        "encoder": annotator.weights,
        "calibration": annotator.calibration,
        "space": annotator.novelty.space,
        "scorer": annotator.novelty.scorer,
    }
    if annotator.detail is not None:
        parts["detail"] = annotator.detail
    if annotator.exemplars is not None:
        parts[EXEMPLARS] = annotator.exemplars
    for number, detector in enumerate(annotator.detectors):
        parts[f"{DETECTOR}{number}"] = detector
    return {
        f"{name}.{field.name}": np.ascontiguousarray(getattr(part, field.name))
        for name, part in parts.items()
        for field in fields(part)
    }


def encoder_fingerprint(annotator: Annotator, n_cells: NDArray[np.int64]) -> str:
    """Return what tells an encoder from all others; registered types do not change it."""
    after = (EXEMPLARS, DETECTOR)
    arrays = annotator_arrays(annotator)
    arrays = {name: array for name, array in arrays.items() if not name.startswith(after)}
    learned = anchor_frame(annotator, n_cells).iloc[: len(annotator.learned_anchors)]
    learned = learned.drop(columns=PARENT, errors="ignore")  # names change no code
    return fingerprint(arrays, gene_frame(annotator), learned)


def gene_frame(annotator: Annotator) -> pd.DataFrame:
    """Return one row a gene: its names, share of counts, feature (-1: none) and weight."""
    recipe = annotator.recipe
    return recipe.genes.to_frame().assign(
        fraction=recipe.fraction,
        feature=recipe.feature_of_gene,
        weight=annotator.gene_weight(),
    )


def anchor_frame(annotator: Annotator, n_cells: NDArray[np.int64]) -> pd.DataFrame:
    """Return one row a type: its name, the packed bits of its anchor, its cells, its parent.

    Without a hierarchy there is no column of parents.
    """
    bits = [row.tobytes() for row in pack(annotator.anchors > 0)]
    frame = pd.DataFrame({"label": annotator.types, "bits": bits, "n_cells": n_cells})
    return frame.assign(**{PARENT: annotator.parents}) if annotator.parents else frame


def restore_annotator(
    arrays: Mapping[str, NDArray[Any]],
    genes: pd.DataFrame,
    anchors: pd.DataFrame,
    *,
    target_sum: float,
) -> Annotator:
    """Rebuild an annotator from what was stored.

    Raises
    ------
    ReferenceFileError
        If parts are missing or do not fit together.
    """
    try:
        weights = _encoder(arrays)
        feature = genes["feature"].to_numpy(np.int32)
        features = np.full(weights.n_features, -1, dtype=np.int32)
        features[feature[feature >= 0]] = np.flatnonzero(feature >= 0)
        packed = np.stack([np.frombuffer(b, dtype=np.uint8) for b in anchors["bits"]])
        return Annotator(
            recipe=Recipe(
                GeneTable.from_frame(genes), genes["fraction"].to_numpy(), features, target_sum
            ),
            weights=weights,
            anchors=np.where(unpack(packed), 1, -1).astype(np.int8),
            types=[str(label) for label in anchors["label"]],
            parents=tuple(str(name) for name in anchors.get(PARENT, ())),
            calibration=_part(Calibration, "calibration", arrays),
            novelty=Novelty(_part(PCSpace, "space", arrays), _part(Scorer, "scorer", arrays)),
            detail=_part_if_there(Detail, "detail", arrays),
            exemplars=_part_if_there(Exemplars, EXEMPLARS, _with_batches(arrays)),
            detectors=tuple(
                _part(Detector, f"{DETECTOR}{number}", arrays)
                for number in range(sum(name.endswith(".curve") for name in arrays))
            ),
        )
    except (KeyError, IndexError, ValueError, TypeError) as error:
        msg = (
            f"The files of the reference do not fit together ({type(error).__name__}: {error}). "
            "They were changed after it was saved, or saved by another version: save it anew."
        )
        raise ReferenceFileError(msg) from error


def _encoder(arrays: Mapping[str, NDArray[Any]]) -> Encoder:
    """Return the encoder, of whichever kind it is."""
    if "encoder.settings" in arrays:
        return _part(TransformerEncoder, "encoder", arrays)
    return _part(EncoderWeights, "encoder", arrays)


def _with_batches(arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """Add the batches of exemplars to arrays of an older reference: none is known."""
    labels = arrays.get(f"{EXEMPLARS}.labels")
    if labels is None or BATCHES in arrays:
        return arrays
    return {**arrays, BATCHES: np.full_like(labels, NO_BATCH)}


def _part(kind: type[Part], name: str, arrays: Mapping[str, NDArray[Any]]) -> Part:
    return kind(**{field.name: arrays[f"{name}.{field.name}"] for field in fields(kind)})


def _part_if_there(kind: type[Part], name: str, arrays: Mapping[str, NDArray[Any]]) -> Part | None:
    """Return a part that older references lack; of one that is there nothing may be missing."""
    if not any(other.startswith(f"{name}.") for other in arrays):
        return None
    return _part(kind, name, arrays)

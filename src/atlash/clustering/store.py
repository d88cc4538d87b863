"""A fitted clusterer as a folder: numbers in safetensors, the rest in JSON; no pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.clustering.axes import Axes
from atlash.clustering.batch_offsets import BatchOffsets
from atlash.clustering.genes import Genes
from atlash.clustering.learned import LearnedEmbedding
from atlash.clustering.model import ClusterModel
from atlash.clustering.rare_types import rare_arrays, rare_from_arrays
from atlash.config import AttentionConfig, ClusterConfig, LearnConfig
from atlash.data.genes import GeneTable
from atlash.data.normalize import Recipe
from atlash.data.write import atomic_path, check_folder
from atlash.errors import FileFormatError, OutputError
from atlash.nn.hash_codes import heads_from_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from atlash.nn.hash_codes import HeadWeights

FORMAT = 3
"""Format 1 kept no batches and no rare types, format 2 no effect of depth."""
HEADS, LEARNED, OFFSETS, RARE = "heads.", "learned.", "offsets.", "rare."
DEPTH = "depth_effect"
MANIFEST, GENES, WEIGHTS = "manifest.json", "genes.parquet", "weights.safetensors"


def write(path: str | Path, model: ClusterModel, facts: Mapping[str, Any]) -> None:
    """Write a model as a folder, whole or not at all; one that is there is replaced.

    Raises
    ------
    OutputError
        If it cannot be written, or a folder is there that holds something else.
    """
    from safetensors.numpy import save

    check_place(path)
    table = model.genes.recipe.genes.to_frame().assign(
        fraction=model.genes.recipe.fraction, feature=model.genes.recipe.feature_of_gene
    )
    with atomic_path(path) as folder:
        folder.mkdir()
        table.to_parquet(folder / GENES)
        (folder / WEIGHTS).write_bytes(save(_arrays(model)))
        sums = {name: _sha256(folder / name) for name in (GENES, WEIGHTS)}
        manifest = {
            "format": FORMAT,
            "atlash": version("atlash"),
            "files": sums,
            "batches": list(model.batch_names),
            **facts,
        }
        manifest["checksum"] = _checksum(manifest)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def read(path: str | Path) -> tuple[ClusterModel, dict[str, Any]]:
    """Read a model and the facts that were written with it.

    Raises
    ------
    FileFormatError
        If a file is missing or is not what was written; the message names it.
    """
    import pandas as pd
    from safetensors.numpy import load

    folder = Path(path).expanduser()
    facts = _manifest(folder)
    for name, expected in facts["files"].items():
        if name not in {GENES, WEIGHTS} or _sha256(folder / name) != expected:
            msg = f"{str(folder / name)!r} is not what was saved. Take the folder from a copy."
            raise FileFormatError(msg)
    frame = pd.read_parquet(folder / GENES)
    arrays = load((folder / WEIGHTS).read_bytes())
    feature = frame["feature"].to_numpy()
    chosen = np.flatnonzero(feature >= 0).astype(np.int32)
    fraction = frame["fraction"].to_numpy(dtype=np.float64)
    recipe = Recipe(
        GeneTable.from_frame(frame),
        fraction,
        chosen[np.argsort(feature[chosen])],
        target_sum=float(arrays["target_sum"][0]),
    )
    genes = Genes(recipe, arrays["mean"], arrays["inverse_scale"])
    learned, offsets = _named(arrays, LEARNED), _named(arrays, OFFSETS)
    model = ClusterModel(
        genes=genes,
        axes=Axes(arrays["axes"], arrays["reliability"]),
        learned=LearnedEmbedding.from_arrays(learned) if learned else None,
        heads=_heads(_named(arrays, HEADS)),
        centres=arrays["centres"],
        sizes=arrays["sizes"],
        cluster=arrays["cluster"],
        batch_names=tuple(facts.get("batches", ())),
        offsets=BatchOffsets.from_arrays(offsets) if offsets else None,
        depth_effect=arrays.get(DEPTH),
        rare=rare_from_arrays(_named(arrays, RARE)),
    )
    return model, facts


def _arrays(model: ClusterModel) -> dict[str, NDArray[Any]]:
    named = {
        "target_sum": np.array([model.genes.recipe.target_sum]),
        "mean": model.genes.mean,
        "inverse_scale": model.genes.inverse_scale,
        "axes": model.axes.matrix,
        "reliability": model.axes.reliability,
        "centres": model.centres,
        "sizes": model.sizes,
        "cluster": model.cluster,
    }
    named |= {HEADS + name: array for name, array in model.heads.arrays().items()}
    named |= {RARE + name: array for name, array in rare_arrays(model.rare).items()}
    if model.learned is not None:
        named |= {LEARNED + name: array for name, array in model.learned.arrays().items()}
    if model.depth_effect is not None:
        named[DEPTH] = model.depth_effect
    if model.offsets is not None:
        named |= {OFFSETS + name: array for name, array in model.offsets.arrays().items()}
    return {name: np.ascontiguousarray(array) for name, array in named.items()}


def _named(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names begin so, under the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _heads(arrays: Mapping[str, NDArray[Any]]) -> HeadWeights:
    heads = heads_from_arrays(arrays)
    if heads is None:
        msg = f"{WEIGHTS!r} holds no hash heads. Take the folder from a copy."
        raise FileFormatError(msg)
    return heads


def check_place(path: str | Path) -> None:
    """Raise unless a clusterer can be saved at ``path``: before the work, not after.

    Raises
    ------
    OutputError
        If its folder is missing or cannot be written, it is a file, or a folder that holds
        something else than a saved clusterer, which would be lost.
    """
    folder = Path(path).expanduser()
    check_folder(folder)
    if folder.is_file():
        msg = (
            f"{str(folder)!r} cannot be written: there is a file, and a clusterer is saved as a "
            "folder. Choose another name."
        )
        raise OutputError(msg)
    names = {item.name for item in folder.iterdir()} if folder.is_dir() else set()
    others = {name for name in names if not name.startswith(".")} - {MANIFEST, GENES, WEIGHTS}
    if others or (names and WEIGHTS not in names):
        msg = (
            f"{str(folder)!r} is a folder that holds something else than a saved clusterer, and "
            "is left as it is. Choose another name."
        )
        raise OutputError(msg)


def _manifest(folder: Path) -> dict[str, Any]:
    """Return what the manifest says, checked."""
    try:
        facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        checksum = facts.pop("checksum", None)
        found = facts["format"], set(facts["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = (
            f"{str(folder)!r} holds no saved clusterer: {MANIFEST!r} cannot be read "
            f"({type(error).__name__}). Give the folder that `HashClusterer.save` wrote."
        )
        raise FileFormatError(msg) from error
    if not isinstance(found[0], int):
        msg = (
            f"{str(folder)!r} holds no saved clusterer: the format in {MANIFEST!r} is "
            f"{found[0]!r}. Give the folder that `HashClusterer.save` wrote."
        )
        raise FileFormatError(msg)
    # The sum covers every format alike, so that damage is not mistaken for the future.
    if checksum != _checksum(facts):
        msg = f"{str(folder / MANIFEST)!r} is not what was saved. Take the folder from a copy."
        raise FileFormatError(msg)
    if found[0] not in range(1, FORMAT + 1) or found[1] != {GENES, WEIGHTS}:
        msg = (
            f"{str(folder)!r} is of format {found[0]!r}; this atlash reads formats 1 to {FORMAT}. "
            "A newer atlash may read it."
        )
        raise FileFormatError(msg)
    return dict(facts)


def _checksum(facts: Mapping[str, Any]) -> str:
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _sha256(path: Path) -> str:
    if not path.is_file():
        msg = f"{str(path)!r} is missing. Take the folder from a copy."
        raise FileFormatError(msg)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def settings(config: ClusterConfig) -> dict[str, Any]:
    """Return the options that change what is found, as plain values."""
    left_out = {"n_threads", "progress", "chunk_size"}
    return {name: value for name, value in asdict(config).items() if name not in left_out}


def config_of(told: Mapping[str, Any]) -> ClusterConfig:
    """Return the options that :func:`settings` told; the others are the defaults."""
    learn = told["learn"] and LearnConfig(**told["learn"])
    return ClusterConfig(
        **{**told, "learn": learn, "attention": AttentionConfig(**told["attention"])}
    )

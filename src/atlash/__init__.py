"""Short binary hash codes for single-cell atlases: annotate, search and cluster cells.

The public names are resolved on first use, so that ``import atlash`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atlash import errors, pl, tl
    from atlash.clustering import HashClusterer
    from atlash.config import (
        AnnotateConfig,
        AttentionConfig,
        BuildConfig,
        ClusterConfig,
        EmbedConfig,
        FineTuneConfig,
        InputConfig,
        LearnConfig,
        LossConfig,
        MiningConfig,
        PretrainConfig,
        SearchConfig,
        TrainConfig,
        TransformerConfig,
    )
    from atlash.models.pretrained import PretrainedEncoder
    from atlash.reference import Reference

__all__ = [
    "AnnotateConfig",
    "AttentionConfig",
    "BuildConfig",
    "ClusterConfig",
    "EmbedConfig",
    "FineTuneConfig",
    "HashClusterer",
    "InputConfig",
    "LearnConfig",
    "LossConfig",
    "MiningConfig",
    "PretrainConfig",
    "PretrainedEncoder",
    "Reference",
    "SearchConfig",
    "TrainConfig",
    "TransformerConfig",
    "__version__",
    "errors",
    "pl",
    "tl",
]

_HOME = {
    "AnnotateConfig": "atlash.config",
    "AttentionConfig": "atlash.config",
    "BuildConfig": "atlash.config",
    "ClusterConfig": "atlash.config",
    "EmbedConfig": "atlash.config",
    "FineTuneConfig": "atlash.config",
    "HashClusterer": "atlash.clustering",
    "InputConfig": "atlash.config",
    "LearnConfig": "atlash.config",
    "LossConfig": "atlash.config",
    "MiningConfig": "atlash.config",
    "PretrainConfig": "atlash.config",
    "PretrainedEncoder": "atlash.models.pretrained",
    "Reference": "atlash.reference",
    "SearchConfig": "atlash.config",
    "TrainConfig": "atlash.config",
    "TransformerConfig": "atlash.config",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name == "__version__":
        return version("atlash")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in {"errors", "pl", "tl"}:
        return import_module(f"atlash.{name}")
    msg = f"module 'atlash' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__

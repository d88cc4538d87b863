"""Options as frozen dataclasses; their defaults are the measured ones (docs/benchmarks.md)."""

from atlash.config.answering import AnnotateConfig, Ranking, SearchConfig, SearchMethod
from atlash.config.clustering import (
    AttentionConfig,
    ClusterConfig,
    CountLaw,
    LearnConfig,
)
from atlash.config.learning import BuildConfig, HierarchySource, Quantisation, TrainConfig
from atlash.config.rare import LossConfig, LossName, MiningConfig
from atlash.config.reading import InputConfig, ScaleName

__all__ = [
    "AnnotateConfig",
    "AttentionConfig",
    "BuildConfig",
    "ClusterConfig",
    "CountLaw",
    "HierarchySource",
    "InputConfig",
    "LearnConfig",
    "LossConfig",
    "LossName",
    "MiningConfig",
    "Quantisation",
    "Ranking",
    "ScaleName",
    "SearchConfig",
    "SearchMethod",
    "TrainConfig",
]

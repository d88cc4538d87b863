"""Options as frozen dataclasses; their defaults are the measured ones (docs/benchmarks.md)."""

from atlash.config.answering import AnnotateConfig, Ranking, SearchConfig, SearchMethod
from atlash.config.clustering import (
    AttentionConfig,
    ClusterConfig,
    LearnConfig,
    Reconstruction,
)
from atlash.config.learning import BuildConfig, HierarchySource, Quantisation, TrainConfig
from atlash.config.reading import InputConfig, ScaleName

__all__ = [
    "AnnotateConfig",
    "AttentionConfig",
    "BuildConfig",
    "ClusterConfig",
    "HierarchySource",
    "InputConfig",
    "LearnConfig",
    "Quantisation",
    "Ranking",
    "Reconstruction",
    "ScaleName",
    "SearchConfig",
    "SearchMethod",
    "TrainConfig",
]

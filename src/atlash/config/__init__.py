"""Options as frozen dataclasses; their defaults are the measured ones (docs/benchmarks.md)."""

from atlash.config.answering import AnnotateConfig, Ranking, SearchConfig, SearchMethod
from atlash.config.clustering import (
    AttentionConfig,
    ClusterConfig,
    CountLaw,
    LearnConfig,
)
from atlash.config.learning import BuildConfig, HierarchySource, Quantisation, TrainConfig
from atlash.config.pretraining import (
    EmbedConfig,
    FineTuneConfig,
    GeneStart,
    PretrainConfig,
    Sampling,
    TransformerConfig,
    ValueForm,
)
from atlash.config.rare import LossConfig, LossName, MiningConfig
from atlash.config.reading import InputConfig, ScaleName

__all__ = [
    "AnnotateConfig",
    "AttentionConfig",
    "BuildConfig",
    "ClusterConfig",
    "CountLaw",
    "EmbedConfig",
    "FineTuneConfig",
    "GeneStart",
    "HierarchySource",
    "InputConfig",
    "LearnConfig",
    "LossConfig",
    "LossName",
    "MiningConfig",
    "PretrainConfig",
    "Quantisation",
    "Ranking",
    "Sampling",
    "ScaleName",
    "SearchConfig",
    "SearchMethod",
    "TrainConfig",
    "TransformerConfig",
    "ValueForm",
]

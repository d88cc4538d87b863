"""Options as frozen dataclasses; their defaults are the measured ones (docs/benchmarks.md)."""

from atlash.config.answering import AnnotateConfig, Ranking, SearchConfig, SearchMethod
from atlash.config.clustering import (
    AttentionConfig,
    ClusterConfig,
    LearnConfig,
    Reconstruction,
)
from atlash.config.learning import BuildConfig, Quantisation, TrainConfig
from atlash.config.pretraining import (
    EmbedConfig,
    FineTuneConfig,
    PretrainConfig,
    Sampling,
    TransformerConfig,
    ValueForm,
)
from atlash.config.reading import InputConfig, ScaleName

__all__ = [
    "AnnotateConfig",
    "AttentionConfig",
    "BuildConfig",
    "ClusterConfig",
    "EmbedConfig",
    "FineTuneConfig",
    "InputConfig",
    "LearnConfig",
    "PretrainConfig",
    "Quantisation",
    "Ranking",
    "Reconstruction",
    "Sampling",
    "ScaleName",
    "SearchConfig",
    "SearchMethod",
    "TrainConfig",
    "TransformerConfig",
    "ValueForm",
]

"""Whether the options of building a reference are in their ranges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

from atlash.codes.planes import MAX_BITS
from atlash.config import Quantisation
from atlash.errors import InputError
from atlash.reference.rare_checks import check_rare

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlash.config import BuildConfig, TrainConfig

_RANGES: tuple[tuple[str, Callable[[float], bool], tuple[str, ...]], ...] = (
    ("at least 1", lambda x: x >= 1, (
        "n_features", "n_members", "n_hidden", "n_hidden_2", "n_components",
        "n_component_members", "n_component_hidden", "n_steps", "batch_size",
        "n_pseudo_batches", "max_cells", "chunk_size",
    )),
    ("at least 2, so that cells can be held out", lambda x: x >= 2, ("n_folds",)),
    ("at least 0", lambda x: x >= 0, (
        "anchor_weight", "similarity_weight", "parent_weight", "quantisation_weight",
        "weight_decay",
        "gene_jitter", "mixup",
    )),
    ("above 0", lambda x: x > 0, (
        "learning_rate", "component_learning_rate", "similarity_scale", "upper", "max_epochs",
    )),
    ("from 0 to 1", lambda x: 0 <= x <= 1, (
        "marker_share", "thin_probability", "max_unlabelled",
    )),
    ("from 0 to below 1", lambda x: 0 <= x < 1, ("dropout", "class_balance", "parent_bits")),
    ("above 0 and at most 1", lambda x: 0 < x <= 1, ("thin_least",)),
    ("from 0 to below 0.5", lambda x: 0 <= x < 0.5, ("gene_dropout",)),
)  # fmt: skip
"""What must hold, and of which options; NaN and infinity are out of every range."""


def check_build_config(config: BuildConfig) -> None:
    """Raise :class:`InputError` if an option is out of its range."""
    train = config.train
    _check_lengths(train)
    if train.quantisation not in get_args(Quantisation):
        forms = ", ".join(map(repr, get_args(Quantisation)))
        msg = f"`quantisation` is {train.quantisation!r}, but must be one of {forms}."
        raise InputError(msg)
    use_unlabelled: object = config.use_unlabelled  # what was given may be anything
    if not isinstance(use_unlabelled, bool):
        msg = f"`use_unlabelled` is {use_unlabelled!r}, but must be True or False."
        raise InputError(msg)
    check_rare(train)
    if config.encoder is not None and train.mining is not None and train.mining.steps_share > 0:
        msg = (
            "`mining` learns hard cells in a second phase, which a pre-trained encoder has not. "
            "Leave out `mining` (--mine), or `encoder`, or the second phase alone: "
            "MiningConfig(steps_share=0) (--guard)."
        )
        raise InputError(msg)
    values = vars(train) | {
        "max_unlabelled": config.max_unlabelled,
        "chunk_size": config.chunk_size,
    }
    for wanted, holds, names in _RANGES:
        for name in names:
            if not (holds(values[name]) and values[name] < math.inf):
                msg = f"`{name}` is {values[name]}, but must be {wanted}."
                raise InputError(msg)


def _check_lengths(train: TrainConfig) -> None:
    """Raise :class:`InputError` unless codes are of whole bytes and have room."""
    if train.n_bits is not None and (train.n_bits < 8 or train.n_bits % 8):
        msg = f"Codes of {train.n_bits} bits are not possible: give a multiple of 8, such as 64."
        raise InputError(msg)
    if train.n_detail_bits < 0 or train.n_detail_bits % 8:
        msg = f"`n_detail_bits` is {train.n_detail_bits}: give a multiple of 8, such as 64, or 0."
        raise InputError(msg)
    for name, n_bits, most in (
        ("n_bits", train.n_bits or 0, MAX_BITS),
        ("n_detail_bits", train.n_detail_bits, MAX_BITS - 64),
    ):
        if n_bits > most:
            msg = f"`{name}` is {n_bits}, but must be at most {most}: codes have {MAX_BITS} bits."
            raise InputError(msg)

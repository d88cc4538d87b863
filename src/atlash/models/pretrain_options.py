"""Options of pre-training, checked before any work."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

from atlash.config import Sampling, ValueForm
from atlash.errors import InputError
from atlash.nn.pretrain import PART

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlash.config import PretrainConfig

_RANGES: tuple[tuple[str, Callable[[float], bool], tuple[str, ...]], ...] = (
    ("at least 1", lambda x: x >= 1, (
        "width", "n_layers", "n_heads", "n_hidden", "n_steps", "batch_size", "block_size",
        "buffer_size", "checkpoint_steps",
    )),
    ("at least 2", lambda x: x >= 2, ("n_tokens", "n_genes")),
    ("at least 3", lambda x: x >= 3, ("n_bins",)),
    ("at least 0", lambda x: x >= 0, ("cls_weight", "weight_decay", "checkpoint_seconds")),
    ("above 0", lambda x: x > 0, ("learning_rate", "max_norm")),
    ("from 0 to 1", lambda x: 0 <= x <= 1, ("unknown_domain", "warmup")),
)  # fmt: skip
"""What must hold, and of which options; NaN and infinity are out of every range."""


def check_pretrain_config(config: PretrainConfig) -> None:
    """Raise :class:`InputError` if an option is out of its range."""
    model = config.model
    values = vars(config) | vars(model)
    for wanted, holds, names in _RANGES:
        for name in names:
            if not (holds(values[name]) and values[name] < math.inf):
                msg = f"`{name}` is {values[name]}, but must be {wanted}."
                raise InputError(msg)
    for name, form in (("sampling", Sampling), ("values", ValueForm)):
        if values[name] not in get_args(form):
            forms = ", ".join(map(repr, get_args(form)))
            msg = f"`{name}` is {values[name]!r}, but must be one of {forms}."
            raise InputError(msg)
    if model.width % model.n_heads:
        msg = (
            f"`width` is {model.width} and `n_heads` is {model.n_heads}: heads share the width "
            "evenly, so it must be a multiple of their number."
        )
        raise InputError(msg)
    if config.batch_size % PART:
        msg = f"`batch_size` is {config.batch_size}, but must be a multiple of {PART}."
        raise InputError(msg)
    ratios = config.mask_ratios
    if not ratios or not all(0 < ratio < 1 for ratio in ratios):
        msg = (
            f"`mask_ratios` is {ratios}, but must name at least one share above 0 and below 1, "
            "such as (0.25, 0.5, 0.75)."
        )
        raise InputError(msg)

"""Options of pre-training, checked before any work."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from atlash.data.columns import text_of
from atlash.errors import InputError
from atlash.nn.pretrain import PART

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import UnionType

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


LANES = 4
"""Numbers that matrix products take at a time; they treat what is left over otherwise."""


def check_pretrain_config(config: PretrainConfig) -> None:
    """Raise :class:`InputError` if an option is out of its range; types were checked before."""
    model = config.model
    values = vars(config) | vars(model)
    for wanted, holds, names in _RANGES:
        for name in names:
            value = values[name]
            if not (holds(value) and value < math.inf):
                msg = f"`{name}` is {value}, but must be {wanted}."
                raise InputError(msg)
    if model.width % model.n_heads:
        msg = (
            f"`width` is {model.width} and `n_heads` is {model.n_heads}: heads share the width "
            "evenly, so it must be a multiple of their number."
        )
        raise InputError(msg)
    if model.width % LANES:
        msg = (
            f"`width` is {model.width}, but must be a multiple of {LANES}, such as 128: with "
            "others a cell's embedding would depend on the cells beside it, in the last bits."
        )
        raise InputError(msg)
    if config.batch_size % PART:
        msg = f"`batch_size` is {config.batch_size}, but must be a multiple of {PART}."
        raise InputError(msg)
    _check_ratios(config.mask_ratios)


def checked_names(given: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return a vocabulary as it was given, as a tuple.

    Raises
    ------
    InputError
        If it is no list of names.
    """
    if given is None:
        return None
    if isinstance(given, str | set | frozenset) or not isinstance(given, Iterable):
        msg = (
            f"`vocabulary` is {reprlib.repr(given)}, but must be a list of gene names, such as "
            "['CD3E', 'MS4A1']; their order is kept."
        )
        raise InputError(msg)
    return tuple(text_of(name) for name in given)


def _check_ratios(given: object) -> None:
    ratios = given if isinstance(given, tuple | list) else ()
    if not ratios or not all(_is_number(ratio, float) and 0 < ratio < 1 for ratio in ratios):
        msg = (
            f"`mask_ratios` is {given!r}, but must name at least one share above 0 and below 1, "
            "such as (0.25, 0.5, 0.75)."
        )
        raise InputError(msg)


def _is_number(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)

"""Whether the options for rare types are in their ranges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

from atlash.config.rare import LOSS_NAMES, LossConfig, MiningConfig, Weighed
from atlash.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlash.config import TrainConfig

_Range = tuple[str, "Callable[[float], bool]", tuple[str, ...]]

_LOSS: tuple[_Range, ...] = (
    ("a finite number", math.isfinite, ("mean",)),
    ("at least 0", lambda x: x >= 0, ("sigma", "prior_strength", "margin", "focus")),
    ("above 0", lambda x: x > 0, ("clip", "scale", "epsilon")),
    ("from 0 to below 1", lambda x: 0 <= x < 1, ("class_balance",)),
)
_OPTIONAL = frozenset({"clip", "scale", "class_balance"})
_MINING: tuple[_Range, ...] = (
    ("above 0 and at most 1", lambda x: 0 < x <= 1, ("hard_share", "rate_factor")),
    ("above 0 and below 1", lambda x: 0 < x < 1, ("mixed_share",)),
    ("from 0 to 1", lambda x: 0 <= x <= 1, ("steps_share", "own_probability", "own_agreement")),
    ("from 0 to below 1", lambda x: 0 <= x < 1, ("most_dropped",)),
    ("a whole number, at least 1", lambda x: x >= 1 and float(x).is_integer(), ("n_neighbors",)),
)


def check_rare(train: TrainConfig) -> None:
    """Raise :class:`InputError` unless loss and mining can be done as asked."""
    loss = train.loss
    if not isinstance(loss, LossConfig) and loss not in LOSS_NAMES:
        listed = ", ".join(map(repr, LOSS_NAMES))
        msg = (
            f"`loss` is {loss!r}, but must be one of {listed}, or a LossConfig."
            f"{did_you_mean(str(loss), LOSS_NAMES)}"
        )
        raise InputError(msg)
    if isinstance(loss, LossConfig):
        if loss.weights not in get_args(Weighed):
            listed = ", ".join(map(repr, get_args(Weighed)))
            msg = f"`loss.weights` is {loss.weights!r}, but must be one of {listed}."
            raise InputError(msg)
        _check("loss", loss, _LOSS)
        _check_flags("loss", loss, ("signed", "normalised"))
    mining: object = train.mining  # what was given may be anything
    if mining is None:
        return
    if not isinstance(mining, MiningConfig):
        msg = f"`mining` is {mining!r}, but must be a MiningConfig, or None for no mining."
        raise InputError(msg)
    _check("mining", mining, _MINING)
    _check_flags("mining", mining, ("guard",))


def _check_flags(where: str, options: object, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(options, name)
        if not isinstance(value, bool):
            msg = f"`{where}.{name}` is {value!r}, but must be True or False."
            raise InputError(msg)


def _check(where: str, options: object, ranges: tuple[_Range, ...]) -> None:
    for wanted, holds, names in ranges:
        for name in names:
            value = getattr(options, name)
            if value is None and name in _OPTIONAL:
                continue
            if not (isinstance(value, int | float) and holds(value) and value < math.inf):
                msg = f"`{where}.{name}` is {value!r}, but must be {wanted}."
                raise InputError(msg)

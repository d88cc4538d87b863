"""The anchors of the types to learn: far apart, or nearer among the children of one parent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlash.codes.anchors import AnchorReport, Signs, choose_n_bits, make_anchors
from atlash.codes.hierarchical_anchors import (
    choose_hierarchical_n_bits,
    make_hierarchical_anchors,
)
from atlash.errors import InputError

if TYPE_CHECKING:
    from atlash.config import TrainConfig
    from atlash.models.family import Family


def make_type_anchors(
    n_types: int, family: Family | None, config: TrainConfig, *, random_state: int
) -> tuple[Signs, AnchorReport]:
    """Return an anchor for each type, and what was measured on them.

    Parameters
    ----------
    n_types
        Number of types.
    family
        Parents of the types; ``None`` without a hierarchy.
    config
        Bits, and the share of them that siblings have in common.
    random_state
        Seed.

    Raises
    ------
    InputError
        If the bits do not suffice.
    """
    share = config.parent_bits
    try:
        if family is None or share == 0:
            n_bits = config.n_bits or choose_n_bits(n_types)
            return make_anchors(n_types, n_bits, random_state=random_state)
        n_bits = config.n_bits or choose_hierarchical_n_bits(family.of_type, share)
        return make_hierarchical_anchors(
            family.of_type, n_bits, share=share, random_state=random_state
        )
    except ValueError as error:
        raise InputError(str(error)) from error

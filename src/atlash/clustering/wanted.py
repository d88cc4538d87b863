"""What the user asks of clustering, checked."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from atlash.checks import check_name, check_option, checked_config, checked_seed
from atlash.config import InputConfig, LearnConfig
from atlash.errors import InputError

if TYPE_CHECKING:
    from atlash.config import ClusterConfig
    from atlash.data.source import CellSource

MIN_CELLS = 50
"""Fewest cells that clusters are looked for in."""
_ABOVE_0 = np.finfo(np.float64).tiny
_LEAST = {
    "n_genes": 1, "n_neighbors": 2, "n_buckets": 2, "n_runs": 1, "n_splits": 1,
    "least_agreement": -np.inf, "least_distance": 0, "refine_steps": 0, "chunk_size": 1,
    "min_shared": 0,
}  # fmt: skip
_MOST = {"least_agreement": 1, "min_shared": 1}
_ATTEND = {
    "n_rounds": 0, "temperature": _ABOVE_0, "n_heads": 1, "n_units": 1, "n_hidden": 1,
    "n_steps": 0, "batch_size": 1, "learning_rate": _ABOVE_0, "weight_decay": 0, "block_size": 1,
}  # fmt: skip
_LEARN = {
    "n_heads": 1, "n_words": 1, "n_bits": 1, "rank": 1, "genes_a_step": 1, "predict_weight": 0,
    "contrast_weight": 0, "heads_weight": 0, "reconstruct_weight": 0, "n_hidden": 1,
    "n_steps": 1, "batch_size": 1, "learning_rate": _ABOVE_0, "weight_decay": 0,
}  # fmt: skip
"""Least values of options, of attention and of learning; and the most of some options."""


@dataclass(frozen=True)
class Wanted:
    """What the user asks for.

    Parameters
    ----------
    n_clusters
        Number of clusters; ``None`` finds it.
    resolution
        Resolution of Leiden whose clusters are taken as they are; ``None`` joins those of 1.
    random_state
        Seed.
    """

    n_clusters: int | None
    resolution: float | None
    random_state: int


def checked(
    n_clusters: object, resolution: object, *, random_state: object, config: ClusterConfig
) -> Wanted:
    """Return what is wanted, checked.

    Raises
    ------
    InputError
        If an option is out of range, or number and resolution are both given.
    """
    if config.learn is not None:
        checked_config(config.learn, LearnConfig, name="learn")
    auto = isinstance(n_clusters, str) and n_clusters == "auto"
    wanted = None if auto else _whole(n_clusters)
    if not auto and (wanted is None or wanted < 1):
        msg = f"`n_clusters` is {n_clusters!r}, but must be 'auto' or a whole number from 1."
        raise InputError(msg)
    seed = checked_seed(random_state)
    finer = _number(resolution)
    if resolution is not None and (finer is None or not 0 < finer < np.inf):
        msg = (
            f"`resolution` is {resolution!r}, but must be above 0, for example 1. Leave it out to "
            "have clusters joined that the counts do not tell apart."
        )
        raise InputError(msg)
    if not auto and resolution is not None:
        msg = "Give `n_clusters` or `resolution`, not both: each decides the number of clusters."
        raise InputError(msg)
    for name in ("rare_types", "even_depth"):
        check_option(getattr(config, name), bool, name)
    check_name(config.layer, "layer")
    check_name(config.gene_column, "gene_column")
    for options, least in ((config, _LEAST), (config.attention, _ATTEND), (config.learn, _LEARN)):
        if options is not None:
            _check_least(options, least)
    return Wanted(wanted, finer, seed)


def checked_inputs(given: object, config: ClusterConfig) -> InputConfig:
    """Return how cells are read, checked: as it was given, and for ``None`` as by ``config``.

    Raises
    ------
    InputError
        If an option is of another type or out of range.
    """
    if given is None:
        return InputConfig(
            layer=config.layer,
            gene_column=config.gene_column,
            scale=config.scale,
            min_shared=config.min_shared,
            chunk_size=config.chunk_size,
        )
    inputs = checked_config(given, InputConfig, name="inputs")
    _check_least(inputs, {name: _LEAST[name] for name in ("min_shared", "chunk_size")})
    return inputs


def _check_least(options: object, least: dict[str, float]) -> None:
    """Raise :class:`InputError` if an option is below its least value, or infinite or NaN."""
    for name, value in least.items():
        found = getattr(options, name)
        most = _MOST.get(name, np.finfo(np.float64).max)
        if not value <= found <= most:
            bound = "above 0" if value == _ABOVE_0 else f"at least {value}"
            bound += f" and at most {most}" if name in _MOST else ""
            msg = f"`{name}` is {found!r}, but must be {bound}."
            raise InputError(msg)


def _number(value: object) -> float | None:
    """Return a number as Python's, ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return float(value)


def _whole(value: object) -> int | None:
    """Return a whole number as Python's, ``None`` for anything else."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    return None


def check_enough(wanted: Wanted, source: CellSource) -> None:
    """Check that there are cells enough for what is wanted.

    Raises
    ------
    InputError
        If there are fewer than 50, or fewer than clusters.
    """
    if source.n_cells < MIN_CELLS:
        msg = (
            f"{source.name} has {source.n_cells} cells, and clusters are looked for in at "
            f"least {MIN_CELLS}. Give more cells; to put a few into known clusters, use "
            "`HashClusterer.predict` or `atlash.tl.annotate`."
        )
        raise InputError(msg)
    if (wanted.n_clusters or 1) > source.n_cells:
        msg = (
            f"{wanted.n_clusters:,} clusters are wanted of the {source.n_cells:,} cells "
            f"of {source.name}. Ask for fewer, or leave `n_clusters` out to find the number."
        )
        raise InputError(msg)

"""Simulated cells on which the rule for the number of clusters is chosen.

Development sets have known types *and* what makes real cells hard: programmes that vary from cell
to cell inside a type (`discrete`), or types that are stages of a path without gaps (`path`).
Counts are Poisson with gamma noise, so negative binomial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from benchmarks.cluster_sets import ClusterSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Factors = Callable[[int], NDArray[np.float64]]

DISPERSION = 0.3
DEPTH_SPREAD = 0.4
"""Deviation of the log depth."""
GENES_OF_PROGRAMME = 0.06
"""Share of genes that a programme moves."""
DIFFERING = 0.08
"""Share of genes that differ, about, between a type and its parent, or a stage and the next."""


@dataclass(frozen=True)
class Discrete:
    """Types with parents, and programmes.

    Parameters
    ----------
    n_types, n_cells, n_genes, depth
        Sizes; ``depth`` is the median of counts per cell.
    effect
        Deviation of the log fold changes of a type's genes.
    differing
        Share of genes of a type.
    programmes, strength
        How many programmes vary inside types, and the deviation of their log fold changes.
    evenness
        Of the Dirichlet distribution of the types' shares; small is uneven.
    families
        Types have parents, three types each on average.
    between
        Share of cells that lie between their type and the next.
    """

    n_types: int = 8
    n_cells: int = 4000
    n_genes: int = 2000
    depth: float = 1000
    effect: float = 1.0
    differing: float = DIFFERING
    programmes: int = 4
    strength: float = 0.25
    evenness: float = 1.0
    families: bool = True
    between: float = 0.0


@dataclass(frozen=True)
class Path:
    """Stages along branches from one start; the type of a cell is the nearest stage.

    Parameters
    ----------
    stages, branches
        Stages in all, dealt evenly over the branches.
    n_cells, n_genes, depth, effect
        As those of :class:`Discrete`.
    """

    stages: int = 6
    branches: int = 2
    n_cells: int = 2500
    n_genes: int = 1500
    depth: float = 800
    effect: float = 0.9


@dataclass(frozen=True)
class Batching:
    """Batches of discrete types.

    Parameters
    ----------
    n_batches
        Number of batches.
    evenness
        Of the Dirichlet distribution by which a type is dealt to batches; small is uneven.
    effect
        Deviation of a batch's log effect on each gene; that of its own in each type is half.
    """

    n_batches: int
    evenness: float
    effect: float


DISCRETE = (
    Discrete(),
    Discrete(depth=400),
    Discrete(n_types=4, strength=0.35, programmes=6),
    Discrete(n_types=12, depth=2000),
    Discrete(n_types=15, n_cells=6000, evenness=0.5, depth=600),
    Discrete(n_types=6, effect=0.8),
    Discrete(between=0.3, families=False),
    Discrete(n_types=10, n_genes=1000, depth=450, n_cells=2200, between=0.2),
    Discrete(n_types=5, n_cells=1400, n_genes=6000, depth=15000, effect=1.2),
    Discrete(n_cells=8000, strength=0.4, programmes=8, evenness=0.7),
    Discrete(n_types=10, n_genes=6000, depth=300, differing=0.06),
    Discrete(n_types=3, strength=0.35),
)
PATHS = (
    Path(),
    Path(depth=400),
    Path(stages=8, depth=2000, n_cells=3000),
    Path(branches=3, stages=9, depth=600),
    Path(effect=0.6),
    Path(stages=10, n_cells=2000, depth=1500),
)
PATH_PROGRAMMES, PATH_STRENGTH = 3, 0.25
SIMULATED: dict[str, tuple[Discrete | Path, int]] = {
    **{f"d{n}": (recipe, 200 + n) for n, recipe in enumerate(DISCRETE)},
    **{f"p{n}": (recipe, 300 + n) for n, recipe in enumerate(PATHS)},
}
"""Recipe and seed of each development set."""


def simulated_set(name: str, *, factors: Factors | None = None) -> ClusterSet:
    """Draw one of the development sets; the same cells each time.

    Parameters
    ----------
    name
        Of :data:`SIMULATED`.
    factors
        Given how many cells, it returns what the depth of each is multiplied with.
    """
    recipe, seed = SIMULATED[name]
    rng = np.random.default_rng(seed)
    draw = _path if isinstance(recipe, Path) else _discrete
    logs, kinds = draw(recipe, rng)  # type: ignore[arg-type]
    depth = recipe.depth if factors is None else recipe.depth * factors(len(logs))
    counts = _counts(logs, depth, rng)
    genes = np.array([f"g{j}" for j in range(recipe.n_genes)])
    return ClusterSet(name, counts, genes, np.array([f"t{kind}" for kind in kinds]))


def batched_cells(
    recipe: Discrete, batching: Batching, rng: np.random.Generator
) -> tuple[sp.csr_matrix, NDArray[np.int64], NDArray[np.int64]]:
    """Draw cells in batches; return counts, types and batches."""
    logs, kinds = _discrete(recipe, rng)
    n_types, n_batches = int(kinds.max()) + 1, batching.n_batches
    shares = rng.dirichlet(np.full(n_batches, batching.evenness), size=n_types)
    batch = np.array([rng.choice(n_batches, p=shares[kind]) for kind in kinds])
    common = rng.normal(0, batching.effect, (n_batches, recipe.n_genes))
    own = rng.normal(0, batching.effect / 2, (n_batches, n_types, recipe.n_genes))
    return _counts(logs + common[batch] + own[batch, kinds], recipe.depth, rng), kinds, batch


def _discrete(
    recipe: Discrete, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return log expression ``(n_cells, n_genes)`` and the type of each cell."""
    base = _base(recipe.n_genes, rng)
    profiles = _types(recipe, rng)
    shares = np.maximum(rng.dirichlet(np.full(recipe.n_types, recipe.evenness)), 0.01)
    kinds = rng.choice(recipe.n_types, recipe.n_cells, p=shares / shares.sum())
    logs = base + profiles[kinds]
    for _ in range(recipe.programmes):
        genes = _programme(recipe.n_genes, rng)
        active = rng.random(recipe.n_types) < 0.6
        if rng.random() < 0.5:
            score = rng.normal(0, 1, recipe.n_cells)
        else:
            score = rng.beta(0.7, 0.7, recipe.n_cells) * 2.5 - 1.25
        logs += recipe.strength * (score * active[kinds])[:, None] * genes
    if recipe.between > 0:
        following = np.minimum(kinds + 1, recipe.n_types - 1)
        moves = rng.random(recipe.n_cells) < recipe.between
        way = np.where(moves, rng.random(recipe.n_cells) * 0.5, 0)
        logs += way[:, None] * (profiles[following] - profiles[kinds])
    return logs, kinds


def _types(recipe: Discrete, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return log fold changes of types against the base, ``(n_types, n_genes)``."""
    n, genes = recipe.n_types, recipe.n_genes
    n_parents = max(1, -(-n // 3)) if recipe.families else n
    parents = np.zeros((n_parents, genes))
    for parent in parents:
        chosen = rng.random(genes) < recipe.differing
        parent[chosen] = rng.normal(0, 1.5 * recipe.effect, chosen.sum())
    of = rng.integers(0, n_parents, n) if recipe.families else np.arange(n)
    profiles = parents[of]
    for profile in profiles:
        chosen = rng.random(genes) < recipe.differing * rng.uniform(0.3, 1.5)
        deviation = recipe.effect * rng.uniform(0.6, 1.4)
        profile[chosen] += rng.normal(0, deviation, chosen.sum())
    return profiles


def _path(recipe: Path, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return log expression ``(n_cells, n_genes)`` and the nearest stage of each cell."""
    base = _base(recipe.n_genes, rng)
    length = recipe.stages // recipe.branches
    branches = np.zeros((recipe.branches, length + 1, recipe.n_genes))
    for branch in branches:
        for stage in range(length):
            chosen = rng.random(recipe.n_genes) < DIFFERING
            branch[stage + 1] = branch[stage]
            branch[stage + 1][chosen] += rng.normal(0, recipe.effect, chosen.sum())
    shares = rng.dirichlet(np.full(recipe.branches, 3.0))
    on = rng.choice(recipe.branches, recipe.n_cells, p=shares)
    time = rng.beta(1.0, 1.2, recipe.n_cells) * length
    before = np.minimum(time.astype(int), length - 1)
    part = (time - before)[:, None]
    logs = base + branches[on, before] * (1 - part) + branches[on, before + 1] * part
    for _ in range(PATH_PROGRAMMES):
        genes = _programme(recipe.n_genes, rng)
        logs += PATH_STRENGTH * rng.normal(0, 1, recipe.n_cells)[:, None] * genes
    nearest = np.rint(time).astype(int)
    return logs, np.where(nearest == 0, 0, 100 * on + nearest)


def _base(n_genes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the log expression that all cells share, ``(n_genes,)``."""
    shares = rng.gamma(0.5, 1, n_genes) + 1e-3
    return np.asarray(np.log(shares / shares.sum()))


def _programme(n_genes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how much a programme moves each gene, ``(n_genes,)``."""
    moved = np.zeros(n_genes)
    chosen = rng.random(n_genes) < GENES_OF_PROGRAMME
    moved[chosen] = rng.normal(0, 1, chosen.sum())
    return moved


def _counts(
    logs: NDArray[np.float64], depth: float | NDArray[np.float64], rng: np.random.Generator
) -> sp.csr_matrix:
    """Draw counts with log-normal depth around one for all or one for each, ``(n, n_genes)``."""
    shares = np.exp(logs)
    shares /= shares.sum(axis=1, keepdims=True)
    mean = shares * np.exp(rng.normal(np.log(depth), DEPTH_SPREAD, len(logs)))[:, None]
    noisy = mean * rng.gamma(1 / DISPERSION, DISPERSION, mean.shape)
    return sp.csr_matrix(rng.poisson(noisy).astype(np.float32))

"""The estimator: fit, predict, save, load."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from atlash.clustering.fitting import MIN_CELLS, Fitted, Wanted, fit
from atlash.clustering.model import ClusterModel
from atlash.clustering.stability import bucket_stability, cluster_stability
from atlash.clustering.store import config_of, read, settings, write
from atlash.config import ClusterConfig, InputConfig
from atlash.data.source import open_source
from atlash.errors import InputError, KeyNotFoundError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from atlash.clustering.partition import CellGraph
    from atlash.data.source import Cells, CellSource


@dataclass(frozen=True)
class Clusters:
    """What clustering says of cells.

    Attributes
    ----------
    labels
        Cluster of each cell ``(n,)``, int32, numbered by size, the largest 0; -1 for cells
        without counts.
    membership
        How much of what lies around a cell belongs to its cluster ``(n,)``, float32 in [0, 1].
    stability
        Share of the runs of Leiden that put the cell's bucket into its cluster ``(n,)``, float32
        in [0, 1].
    bucket
        Bucket of each cell ``(n,)``, int32; -1 for cells without counts.
    embedding
        Places ``(n, n_axes)``, float32; NaN for cells without counts.
    codes
        Hash codes ``(n, n_heads)``, uint16: the word of each head; 65,535 for cells without
        counts.
    """

    labels: NDArray[np.int32]
    membership: NDArray[np.float32]
    stability: NDArray[np.float32]
    bucket: NDArray[np.int32]
    embedding: NDArray[np.float32]
    codes: NDArray[np.uint16]


class HashClusterer:
    """Clusters of cells, found without labels.

    Parameters
    ----------
    n_clusters
        Number of clusters, at least 1; ``"auto"`` finds it.
    resolution
        Resolution of Leiden, above 0; its clusters are then taken as they are. ``None`` starts
        from 1 and joins clusters that the counts do not tell apart.
    random_state
        Seed of Leiden's moves; all else is decided by the cells.
    config
        Further options; ``None`` stands for ``ClusterConfig()``.

    Attributes
    ----------
    model_
        What was learned; there once fitted or loaded.
    clusters_
        What it says of the cells learned from; there once fitted.
    graph_
        Graph of the cells that have counts, and their rows in the order of its nodes.
    facts_
        Settings, seed, version, the curve of stability, how clusters were joined, seconds of
        each step and the peak of memory, as plain values.

    Raises
    ------
    InputError
        If an option is out of range.
    """

    def __init__(
        self,
        n_clusters: int | Literal["auto"] = "auto",
        *,
        resolution: float | None = None,
        random_state: int = 0,
        config: ClusterConfig | None = None,
    ) -> None:
        self.config = config or ClusterConfig()
        self.wanted = _checked(n_clusters, resolution, random_state, self.config)
        self.model_: ClusterModel
        self.clusters_: Clusters
        self.graph_: tuple[CellGraph, NDArray[np.int64]]
        self.facts_: dict[str, Any]

    def fit(self, cells: Cells, *, batch_key: str | None = None) -> HashClusterer:
        """Find the clusters of cells.

        Parameters
        ----------
        cells
            AnnData, or the path of a ``.h5ad`` file or zarr store: counts, or normalised values
            on a linear or logarithmic scale.
        batch_key
            Column of ``obs`` with batches, to be integrated; ``None`` for one batch.

        Returns
        -------
        The clusterer itself.

        Raises
        ------
        InputError
            If the cells cannot be used, or there are fewer than 50, or fewer than clusters.
        """
        source = open_source(cells, self.config.layer)
        batches = None if batch_key is None else _batches(source.obs, batch_key)
        self._check_number(source)
        fitted = fit(
            source, batches, inputs=self._inputs(), config=self.config, wanted=self.wanted
        )
        self.model_ = ClusterModel(
            genes=fitted.genes,
            axes=fitted.axes,
            learned=fitted.learned,
            heads=fitted.heads,
            centres=fitted.buckets.centres,
            sizes=fitted.buckets.sizes,
            cluster=fitted.cluster_of_bucket,
            rare=fitted.rare.types(fitted.cluster_of_bucket),
        )
        self.clusters_ = _clusters(fitted, self.model_, source.n_cells)
        self.graph_ = fitted.graph, fitted.rows
        self.facts_ = _facts(fitted, self)
        return self

    def predict(self, cells: Cells) -> Clusters:
        """Put new cells into the clusters found; each by itself.

        Parameters
        ----------
        cells
            As for :meth:`fit`; genes are matched by name.

        Returns
        -------
        What is said of them. Their stability is that of the buckets they fall into.

        Raises
        ------
        InputError
            If nothing is fitted, or the cells cannot be used.
        """
        if not hasattr(self, "model_"):
            msg = "The clusterer holds no clusters yet. Call `fit`, or `HashClusterer.load`."
            raise InputError(msg)
        source = open_source(cells, self.config.layer)
        bound = self.model_.genes.bind(source, self._inputs())
        places = self.model_.place(bound, self.config)
        bucket = self.model_.bucket_of(places, self.config.n_threads)
        bucket = self.model_.with_rare(bound, bucket, self.config)
        return _told(self.model_, places, bucket, np.asarray(self.facts_["bucket_stability"]))

    def save(self, path: str | Path) -> None:
        """Write what was learned as a folder, whole or not at all.

        Parameters
        ----------
        path
            Folder to write; a saved clusterer that is there is replaced.

        Raises
        ------
        InputError
            If nothing is fitted.
        OutputError
            If it cannot be written.
        """
        if not hasattr(self, "model_"):
            msg = "The clusterer holds no clusters yet, so there is nothing to save; call `fit`."
            raise InputError(msg)
        write(path, self.model_, {"facts": self.facts_})

    @classmethod
    def load(cls, path: str | Path) -> HashClusterer:
        """Load what :meth:`save` wrote.

        Parameters
        ----------
        path
            The folder.

        Returns
        -------
        A clusterer to predict with.

        Raises
        ------
        FileFormatError
            If a file is missing or damaged; the message names it.
        """
        model, manifest = read(path)
        facts = manifest["facts"]
        loaded = cls(
            facts["n_clusters"],
            resolution=facts["resolution"],
            random_state=facts["random_state"],
            config=config_of(facts["settings"]),
        )
        loaded.model_, loaded.facts_ = model, facts
        return loaded

    def _inputs(self) -> InputConfig:
        options = self.config
        return InputConfig(
            layer=options.layer,
            gene_column=options.gene_column,
            scale=options.scale,
            min_shared=options.min_shared,
            chunk_size=options.chunk_size,
        )

    def _check_number(self, source: CellSource) -> None:
        """Raise :class:`InputError` where there are too few cells."""
        if source.n_cells < MIN_CELLS:
            msg = (
                f"{source.name} has {source.n_cells} cells, and clusters are looked for in at "
                f"least {MIN_CELLS}. Give more cells; to put a few into known clusters, use "
                "`HashClusterer.predict` or `atlash.tl.annotate`."
            )
            raise InputError(msg)
        if (self.wanted.n_clusters or 1) > source.n_cells:
            msg = (
                f"{self.wanted.n_clusters:,} clusters are wanted of the {source.n_cells:,} cells "
                f"of {source.name}. Ask for fewer, or leave `n_clusters` at 'auto'."
            )
            raise InputError(msg)


def _checked(
    n_clusters: object, resolution: object, random_state: object, config: ClusterConfig
) -> Wanted:
    """Return what is wanted, or raise :class:`InputError`."""
    auto = isinstance(n_clusters, str) and n_clusters == "auto"
    wanted = None if auto else _whole(n_clusters)
    if not auto and (wanted is None or wanted < 1):
        msg = f"`n_clusters` is {n_clusters!r}, but must be 'auto' or a whole number from 1."
        raise InputError(msg)
    seed = _whole(random_state)
    if seed is None or seed < 0:
        msg = f"`random_state` is {random_state!r}, but must be a whole number from 0."
        raise InputError(msg)
    finer = float(resolution) if isinstance(resolution, Real) else None
    if resolution is not None and (finer is None or not 0 < finer < np.inf):
        msg = f"`resolution` is {resolution!r}, but must be above 0, for example 1, or None."
        raise InputError(msg)
    if not auto and resolution is not None:
        msg = "Give `n_clusters` or `resolution`, not both: each decides the number of clusters."
        raise InputError(msg)
    least = {"n_genes": 1, "n_neighbors": 2, "n_buckets": 2, "n_runs": 1, "n_splits": 1}
    for name, value in least.items():
        if getattr(config, name) < value:
            msg = f"`{name}` is {getattr(config, name)!r}, but must be at least {value}."
            raise InputError(msg)
    return Wanted(wanted, finer, seed)


def _whole(value: object) -> int | None:
    """Return a whole number as Python's, ``None`` for anything else."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    return None


def _batches(obs: pd.DataFrame, key: str) -> NDArray[np.int32]:
    """Return the batch of each cell, or raise an error."""
    if key not in obs:
        msg = f"`obs` has no column {key!r} to take batches from.{did_you_mean(key, obs.columns)}"
        raise KeyNotFoundError(msg)
    codes = obs[key].astype("category").cat.remove_unused_categories().cat.codes.to_numpy()
    if (codes < 0).any():
        msg = (
            f"{int((codes < 0).sum()):,} cells have no value in `obs[{key!r}]`, the first in row "
            f"{int((codes < 0).argmax())}. Give each a batch, or leave those cells out."
        )
        raise InputError(msg)
    return codes.astype(np.int32)


def _clusters(fitted: Fitted, model: ClusterModel, n_cells: int) -> Clusters:
    """Return what was found, in the order of the source."""
    places = np.full((n_cells, fitted.places.shape[1]), np.nan, dtype=np.float32)
    places[fitted.rows] = fitted.places
    bucket = np.full(n_cells, -1, dtype=np.int32)
    bucket[fitted.rows] = fitted.buckets.of_cell
    stability = bucket_stability(fitted.partition.runs, model.cluster, model.sizes)
    return _told(model, places, bucket, stability)


def _told(
    model: ClusterModel,
    places: NDArray[np.float32],
    bucket: NDArray[np.int32],
    stability: NDArray[np.float64],
) -> Clusters:
    known = bucket >= 0
    return Clusters(
        labels=np.where(known, model.cluster[bucket], -1).astype(np.int32),
        membership=model.membership(places, bucket),
        stability=np.where(known, stability[bucket], 0).astype(np.float32),
        bucket=bucket,
        embedding=places,
        codes=model.codes(places),
    )


def _facts(fitted: Fitted, clusterer: HashClusterer) -> dict[str, Any]:
    """Return the whole story as plain values."""
    model, wanted, curve = clusterer.model_, clusterer.wanted, fitted.partition.curve
    of_bucket = bucket_stability(fitted.partition.runs, model.cluster, model.sizes)
    return {
        "atlash_version": version("atlash"),
        "n_clusters": wanted.n_clusters or "auto",
        "resolution": wanted.resolution,
        "random_state": wanted.random_state,
        "settings": settings(clusterer.config),
        "curve": {
            "resolution": curve.resolution.tolist(),
            "n_clusters": curve.n_clusters.tolist(),
            "stability": curve.stability.tolist(),
        },
        "n_before_joining": int(fitted.partition.labels.max()) + 1,
        "joined": [asdict(step) for step in fitted.steps],
        "rare": fitted.rare.facts(model.cluster),
        "cluster_stability": cluster_stability(of_bucket, model.cluster, model.sizes).tolist(),
        "bucket_stability": of_bucket.tolist(),
        "axes_reliability": fitted.axes.reliability.tolist(),
        "seconds": fitted.seconds,
        "peak_memory_gb": _peak_memory(),
    }


def _peak_memory() -> float | None:
    """Return the most memory that the process has held so far, in GB; ``None`` on Windows."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9

"""The estimator: fit, predict, save, load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from atlash.checks import checked_config, checked_path
from atlash.clustering.batch_labels import batches_of, known_batches, warn_of_no_batches
from atlash.clustering.clusters import clusters_of, told
from atlash.clustering.facts import batch_facts, facts_of
from atlash.clustering.fitting import fit
from atlash.clustering.model import ClusterModel
from atlash.clustering.store import config_of, read, write
from atlash.clustering.wanted import check_enough, checked, checked_inputs
from atlash.config import ClusterConfig
from atlash.data.normalize import warn_of_unnamed
from atlash.data.source import open_source
from atlash.errors import InputError

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from numpy.typing import NDArray

    from atlash.clustering.clusters import Clusters
    from atlash.clustering.partition import CellGraph
    from atlash.config import InputConfig
    from atlash.data.source import Cells


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
        Seed of Leiden's moves, and of what is learned where ``config.learn`` or an attention that
        learns is on; all else is decided by the cells.
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
        self.config = checked_config(config, ClusterConfig)
        self.wanted = checked(
            n_clusters, resolution, random_state=random_state, config=self.config
        )
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

        Warns
        -----
        NoBatchesWarning
            If ``batch_key`` names a column of one value, or of nearly as many as cells.
        """
        source = open_source(cells, self.config.layer)
        told_batches = None if batch_key is None else batches_of(source.obs, batch_key)
        check_enough(self.wanted, source)
        if batch_key is not None and told_batches is not None:
            warn_of_no_batches(told_batches, batch_key)
        fitted = fit(
            source,
            None if told_batches is None else told_batches.of_cell,
            inputs=checked_inputs(None, self.config),
            config=self.config,
            wanted=self.wanted,
        )
        self.model_ = ClusterModel(
            genes=fitted.genes,
            axes=fitted.axes,
            learned=fitted.learned,
            heads=fitted.heads,
            centres=fitted.buckets.centres,
            sizes=fitted.buckets.sizes,
            cluster=fitted.cluster_of_bucket,
            batch_names=() if told_batches is None else told_batches.names,
            depth_effect=fitted.depth_effect,
            offsets=fitted.offsets,
            rare=fitted.rare.types(fitted.cluster_of_bucket),
        )
        self.clusters_ = clusters_of(fitted, self.model_, source.n_cells)
        self.graph_ = fitted.graph, fitted.rows
        self.facts_ = facts_of(fitted, self.model_, wanted=self.wanted, config=self.config)
        self.facts_ |= batch_facts(batch_key, told_batches)
        return self

    def predict(
        self, cells: Cells, *, batch_key: str | None = None, inputs: InputConfig | None = None
    ) -> Clusters:
        """Put new cells into the clusters found; each by itself.

        Parameters
        ----------
        cells
            As for :meth:`fit`; genes are matched by name.
        batch_key
            Column of ``obs`` with batches, for a clusterer that was fitted with batches: cells of
            these are moved as the cells learned from were, cells of others are not.
        inputs
            How they are read; ``None`` reads them as the cells learned from: the same layer,
            column of genes and scale.

        Returns
        -------
        What is said of them. Their stability is that of the buckets they fall into.

        Raises
        ------
        InputError
            If nothing is fitted, the cells cannot be used, an option is out of range, or batches
            are told to a clusterer that was fitted without.

        Warns
        -----
        UnknownBatchesWarning
            If the clusterer was fitted with batches, and those of some cells are not told or not
            among them.
        """
        if not hasattr(self, "model_"):
            msg = "The clusterer holds no clusters yet. Call `fit`, or `HashClusterer.load`."
            raise InputError(msg)
        inputs = checked_inputs(inputs, self.config)
        source = open_source(cells, inputs.layer)
        batches = known_batches(source.obs, batch_key, self.model_.batch_names)
        bound = self.model_.genes.bind(source, inputs)
        warn_of_unnamed(bound)
        places = self.model_.place(bound, self.config)
        places = self.model_.moved(places, batches, self.config.n_threads)
        bucket = self.model_.bucket_of(places, self.config.n_threads)
        bucket = self.model_.with_rare(bound, bucket, self.config)
        return told(
            self.model_,
            places,
            bucket=bucket,
            stability=np.asarray(self.facts_["bucket_stability"]),
        )

    def save(self, path: str | Path) -> None:
        """Write what was learned as a folder, whole or not at all.

        Parameters
        ----------
        path
            Folder to write; a saved clusterer that is there is replaced.

        Raises
        ------
        InputError
            If nothing is fitted, or ``path`` is no path.
        OutputError
            If it cannot be written.
        """
        if not hasattr(self, "model_"):
            msg = "The clusterer holds no clusters yet, so there is nothing to save; call `fit`."
            raise InputError(msg)
        write(checked_path(path), self.model_, {"facts": self.facts_})

    @classmethod
    def load(cls, path: str | PathLike[str]) -> HashClusterer:
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
        InputError
            If ``path`` is no path.
        FileFormatError
            If a file is missing or damaged; the message names it.
        """
        model, manifest = read(checked_path(path))
        facts = manifest["facts"]
        loaded = cls(
            facts["n_clusters"],
            resolution=facts["resolution"],
            random_state=facts["random_state"],
            config=config_of(facts["settings"]),
        )
        loaded.model_, loaded.facts_ = model, facts
        return loaded

"""A reference: a learned annotator and the cells it was learned from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from atlash.config import BuildConfig
from atlash.errors import ReferenceFileError
from atlash.reference import store
from atlash.reference.arrays import fingerprint
from atlash.reference.cells import searchable
from atlash.reference.search import SearchIndex
from atlash.reference.state import anchor_frame, annotator_arrays, gene_frame, restore_annotator

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from atlash.data.source import Cells
    from atlash.models.annotator import Annotator
    from atlash.reference.cells import CellTable


@dataclass(frozen=True)
class Reference:
    """Labelled cells with their codes, and what labels new ones.

    Made by :meth:`build` or :meth:`load`.

    Attributes
    ----------
    annotator
        Encoder, anchors, calibration and reach.
    cells
        One row a cell: ``cell_id``, ``code``, ``label`` and every column of ``obs``; in memory
        after :meth:`build`, on disk after :meth:`load`.
    meta
        How the reference was built: versions, seed, settings, counts.
    """

    annotator: Annotator
    cells: pa.Table | CellTable
    meta: dict[str, Any]

    @classmethod
    def build(
        cls,
        cells: Cells | Sequence[Cells],
        labels_key: str,
        batch_key: str | None = None,
        *,
        layer: str | None = None,
        gene_column: str | None = None,
        config: BuildConfig | None = None,
        device: str = "auto",
        random_state: int = 0,
    ) -> Self:
        """Learn a hash function from labelled cells and encode them.

        Parameters
        ----------
        cells
            AnnData, path of a ``.h5ad`` file or zarr store, or a list of these. Counts, or
            normalised values on a linear or logarithmic scale; see ``BuildConfig.scale``.
        labels_key
            Column of ``obs`` with the cell types. Cells without one are left out.
        batch_key
            Column of ``obs`` with the batch, donor or study: genes are chosen in each, and
            confidence is calibrated on whole batches held out. Several inputs are batches of
            their own when it is not given.
        layer
            Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
        gene_column
            Column of ``var`` with the gene identifiers, instead of its index.
        config
            Further options; ``None`` stands for ``BuildConfig()``.
        device
            Where to learn: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        random_state
            Seed; on a CPU the same seed gives the same reference on any number of threads.

        Returns
        -------
        The reference, in memory. Ctrl-C ends learning early and keeps what was learned.

        Raises
        ------
        InputError
            If the cells cannot be used; the subclasses in :mod:`atlash.errors` say why.
        TrainingError
            If the loss is not finite.
        """
        from atlash.reference.build import BuildRequest, build_parts  # loads torch

        request = BuildRequest(
            labels_key,
            batch_key,
            layer,
            gene_column,
            device,
            random_state,
            config or BuildConfig(),
        )
        return cls(*build_parts(cells, request))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Save as a folder, whole or not at all.

        Parameters
        ----------
        path
            Folder to make, such as ``"pbmc.atlash"``.
        overwrite
            Replace a reference that is there. A save that is killed leaves the old one.

        Raises
        ------
        OutputError
            If there is something at ``path`` that may not be replaced, or it cannot be written.
        """
        saved = store.write(
            path,
            meta=self.meta | {"fingerprint": self.fingerprint, "target_sum": self._target_sum},
            arrays=annotator_arrays(self.annotator),
            genes=gene_frame(self.annotator),
            anchors=self._anchors(),
            cells=self.cells,
            overwrite=overwrite,
        )
        object.__setattr__(self, "cells", saved)  # what was read from here before may be gone
        self.__dict__.pop("index", None)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, verify: bool = True) -> Self:
        """Load a saved reference; its cells stay on disk until they are asked for.

        Parameters
        ----------
        path
            The saved folder.
        verify
            Compare the sha256 of every file; ``False`` only looks whether all are there.

        Raises
        ------
        ReferenceFileError
            If there is no reference, a newer atlash wrote it, or a file is missing, damaged or
            another's; the message names the file.
        """
        stored = store.read(path, verify=verify)
        meta = dict(stored.meta)
        target, written = meta.pop("target_sum"), meta.pop("fingerprint")
        annotator = restore_annotator(
            stored.arrays, stored.genes, stored.anchors, target_sum=target
        )
        reference = cls(annotator, stored.cells, meta)
        if reference.fingerprint != written:
            msg = (
                f"The encoder in '{path}' has the fingerprint {reference.fingerprint[:12]}, but "
                f"the reference was saved with {written[:12]}: its files are of different "
                "references. Copy or download it again."
            )
            raise ReferenceFileError(msg)
        return reference

    @cached_property
    def fingerprint(self) -> str:
        """What tells this encoder from all others: codes of two can be compared if it is one."""
        return fingerprint(
            annotator_arrays(self.annotator), gene_frame(self.annotator), self._anchors()
        )

    @cached_property
    def index(self) -> SearchIndex:
        """The codes of the cells, ready to be searched."""
        return SearchIndex(searchable(self.cells), self.annotator.anchors)

    @property
    def types(self) -> list[str]:
        """Names of the cell types."""
        return list(self.annotator.types)

    def info(self) -> dict[str, Any]:
        """Return what the reference holds and how it was made, as plain JSON."""
        return self.meta | {
            "fingerprint": self.fingerprint,
            "n_bits": self.annotator.n_bits,
            "n_detail_bits": self.annotator.n_detail_bits,
            "n_genes": len(self.annotator.recipe.genes),
            "n_genes_used": self.annotator.weights.n_features,
            "example_gene": str(self.annotator.recipe.genes.ids[0]),
            "genes_named_by": self.annotator.recipe.genes.kind,
            "columns": self.cells.schema.names,
        }

    def __repr__(self) -> str:
        """Return one line: cells, types, bits."""
        n_cells, n_types = self.meta["n_cells"], len(self.types)
        bits = f"{self.annotator.n_bits} + {self.annotator.n_detail_bits} bits"
        return f"Reference({n_cells:,} cells, {n_types} types, {bits})"

    def _anchors(self) -> pd.DataFrame:
        counts = np.array([self.meta["types"][name] for name in self.types])
        return anchor_frame(self.annotator, counts)

    @property
    def _target_sum(self) -> float:
        return float(self.annotator.recipe.target_sum)

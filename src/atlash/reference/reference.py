"""A reference: a learned annotator and the cells it was learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from atlash.checks import check_name, check_option, check_threads, checked_config, checked_path
from atlash.config import BuildConfig, InputConfig
from atlash.data.source import open_sources
from atlash.errors import InputError, ReferenceFileError
from atlash.reference import store
from atlash.reference.cell_writing import searchable
from atlash.reference.cells import CellTable
from atlash.reference.columns import LABEL
from atlash.reference.encoding import encode_all
from atlash.reference.id_index import index_ids
from atlash.reference.newcomers import fitted, newcomers, warn_of_unknown
from atlash.reference.search import SearchIndex
from atlash.reference.state import (
    anchor_frame,
    annotator_arrays,
    encoder_fingerprint,
    gene_frame,
    restore_annotator,
)
from atlash.reference.teach import registration, teach
from atlash.reference.update import (
    State,
    addition,
    changed,
    check_choice,
    check_merged,
    path_of,
    removal,
)
from atlash.reference.versions import newest_version, versions

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from atlash.config import LossConfig, LossName
    from atlash.data.source import Cells
    from atlash.models.annotator import Annotator
    from atlash.reference.audit import AuditReport
    from atlash.reference.growth import Change
    from atlash.reference.update import OnDuplicate
    from atlash.reference.versions import Version

_KEPT_APART = ("target_sum", "fingerprint")
"""Facts on disk that a reference in memory knows otherwise."""


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
    version
        Number of the version on disk, which every change raises; ``None`` in memory.
    outdated
        Whether an older version was opened by its number; it can be read, but not changed.
    mined
        With ``TrainConfig(mining=...)`` the hard cells and those that look mislabelled, as they
        were when the reference was built; see :func:`atlash.reference.mined.mined_frame`.
    """

    annotator: Annotator
    cells: pa.Table | CellTable
    meta: dict[str, Any]
    version: int | None = None
    outdated: bool = False
    mined: pd.DataFrame | None = None

    @classmethod
    def build(
        cls,
        cells: Cells | Sequence[Cells],
        labels_key: str | Sequence[str],
        batch_key: str | None = None,
        *,
        layer: str | None = None,
        gene_column: str | None = None,
        loss: LossName | LossConfig | None = None,
        config: BuildConfig | None = None,
        random_state: int = 0,
    ) -> Self:
        """Learn a hash function from labelled cells and encode them.

        Parameters
        ----------
        cells
            AnnData, path of a ``.h5ad`` file or zarr store, or a list of these. Counts, or
            normalised values on a linear or logarithmic scale; see ``BuildConfig.scale``.
        labels_key
            Column of ``obs`` with the cell types, or two columns, ``[parents, types]``: answers
            then know both levels. Cells without a label are no part of the reference; see
            ``BuildConfig.use_unlabelled``. A dict, table or ontology of parents is named in
            ``config.hierarchy`` instead.
        batch_key
            Column of ``obs`` with the batch, donor or study: genes are chosen in each, and
            confidence is calibrated on whole batches held out. Several inputs are batches of
            their own when it is not given.
        layer
            Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
        gene_column
            Column of ``var`` with the gene identifiers, instead of its index.
        loss
            What the loss does for rare types, by name, such as ``"ginf"``, or in numbers;
            ``None`` stands for ``config.train.loss``.
        config
            Further options; ``None`` stands for ``BuildConfig()``.
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
        from atlash.reference.build import BuildRequest, build_parts, with_loss  # loads torch

        request = BuildRequest(
            labels_key,
            batch_key,
            layer,
            gene_column,
            random_state,
            with_loss(checked_config(config, BuildConfig), loss),
        )
        annotator, table, meta, mined = build_parts(cells, request)
        return cls(annotator, table, meta, mined=mined)

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
        InputError
            If ``path`` is no path, or ``overwrite`` no truth value.
        OutputError
            If there is something at ``path`` that may not be replaced, or it cannot be written.
        """
        path = checked_path(path)
        check_option(overwrite, bool, "overwrite")
        saved = store.write(
            path,
            meta=self.meta | {"fingerprint": self.fingerprint, "target_sum": self._target_sum},
            arrays=annotator_arrays(self.annotator),
            genes=gene_frame(self.annotator),
            anchors=self._anchors(),
            cells=self.cells,
            mined=self.mined,
            overwrite=overwrite,
        )
        # what was read from here before may be gone
        self._become(State(saved, self.meta, newest_version(path)))

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, verify: bool = True, version: int | None = None
    ) -> Self:
        """Load a saved reference; its cells stay on disk until they are asked for.

        Parameters
        ----------
        path
            The saved folder.
        verify
            Compare the sha256 of every file; ``False`` only looks whether all are there.
        version
            Number of an older version, from :meth:`versions`; ``None`` takes the newest.

        Raises
        ------
        InputError
            If ``path`` is no path, or ``verify`` no truth value.
        KeyNotFoundError
            If there is no such version.
        ReferenceFileError
            If there is no reference, a newer atlash wrote it, or a file is missing, damaged or
            another's; the message names the file.
        """
        path = checked_path(path)
        check_option(verify, bool, "verify")
        stored = store.read(path, verify=verify, version=version)
        meta = dict(stored.meta)
        target, written = (meta.pop(key) for key in _KEPT_APART)
        annotator = restore_annotator(
            stored.arrays, stored.genes, stored.anchors, target_sum=target
        )
        outdated = version is not None and newest_version(path) != version
        reference = cls(annotator, stored.cells, meta, stored.version, outdated, stored.mined)
        if reference.fingerprint != written:
            msg = (
                f"The encoder in '{path}' has the fingerprint {reference.fingerprint[:12]}, but "
                f"the reference was saved with {written[:12]}: its files are of different "
                "references. Copy or download it again."
            )
            raise ReferenceFileError(msg)
        return reference

    def add(
        self,
        cells: Cells | Sequence[Cells],
        labels_key: str | None = None,
        *,
        layer: str | None = None,
        gene_column: str | None = None,
        on_duplicate: OnDuplicate = "refuse",
        n_threads: int | None = None,
        progress: bool = True,
    ) -> None:
        """Add cells, without learning anew; what the reference answers to others stays the same.

        On disk this adds a version, whole or not at all, in time that grows with the new cells
        alone. Other processes may go on reading, and may write in turn.

        Parameters
        ----------
        cells
            AnnData, path of a ``.h5ad`` file or zarr store, or a list of these.
        labels_key
            Column of ``obs`` with their types; ``None`` adds them without.
        layer
            Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
        gene_column
            Column of ``var`` with the gene identifiers, instead of its index.
        on_duplicate
            What happens to a cell whose id the reference has: ``"refuse"`` raises, ``"replace"``
            takes the new one, ``"keep"`` the old one.
        n_threads
            Threads; ``None`` takes all cores.
        progress
            Show progress on standard error.

        Raises
        ------
        InputError
            If the cells cannot be used, or have ids that are there and are to be refused.
        OutputError
            If the disk does not take them. The reference is unchanged.

        Warns
        -----
        UnknownTypesWarning, ColumnsLeftOutWarning, DuplicateCellsWarning, EmptyCellsWarning
        """
        check_choice(on_duplicate)
        check_name(labels_key, "labels_key")
        check_name(layer, "layer")
        check_name(gene_column, "gene_column")
        check_threads(n_threads)
        check_option(progress, bool, "progress")
        self._check_newest()
        sources = open_sources(cells, layer)
        codes = encode_all(
            sources,
            self.annotator,
            InputConfig(gene_column=gene_column),
            n_threads=n_threads,
            progress=progress,
        )
        new = newcomers(sources, codes, labels_key, types=self.types, schema=self.cells.schema)
        origin = ", ".join(source.name for source in sources)
        self._change(partial(addition, new=new, on_duplicate=on_duplicate, origin=origin))

    def remove(self, where: str) -> None:
        """Remove cells; on disk this adds a version, and the older ones keep them.

        Parameters
        ----------
        where
            Condition in SQL over the columns, such as ``"study = 'X'"``.

        Raises
        ------
        InputError
            If it is no condition, or holds for all cells.
        KeyNotFoundError
            If it names a column that is not there.
        OutputError
            If the disk does not take the change. The reference is unchanged.
        """
        self._check_newest()
        self._change(partial(removal, where=where))

    def merge(self, others: Sequence[Reference], *, on_duplicate: OnDuplicate = "refuse") -> None:
        """Add the cells of references that have the same encoder.

        Parameters
        ----------
        others
            The references; they stay as they are.
        on_duplicate
            What happens to a cell whose id is there already; see :meth:`add`.

        Raises
        ------
        InputError
            If an encoder is another, or ids are there already and are to be refused. Nothing is
            merged then.
        OutputError
            If the disk does not take the cells. What was merged before is kept.

        Warns
        -----
        UnknownTypesWarning
            If cells have labels that this reference has neither learned nor registered.
        ColumnsLeftOutWarning
        """
        check_choice(on_duplicate)
        self._check_newest()
        loaded = isinstance(others, Sequence) and all(isinstance(o, Reference) for o in others)
        if not loaded:
            msg = "`others` must be a list of references; load each with `atlash.Reference.load`."
            raise InputError(msg)
        for other in others:
            if other.fingerprint != self.fingerprint:
                msg = (
                    f"{other!r} has the fingerprint {other.fingerprint[:12]}, but this reference "
                    f"has {self.fingerprint[:12]}: codes of two encoders cannot be compared. "
                    "Encode its cells anew with `add`."
                )
                raise InputError(msg)
        check_merged(self.index.cells, [other.index.cells for other in others], on_duplicate)
        for other in others:
            new = fitted(other.index.cells.to_table(), self.cells.schema)
            warn_of_unknown(new[LABEL].unique().to_pylist(), self.types)
            place = path_of(other.cells)
            origin = "another reference" if place is None else place.name
            self._change(partial(addition, new=new, on_duplicate=on_duplicate, origin=origin))

    def audit(self, *, batch_key: str | None = None, most: int = 1000) -> AuditReport:
        """Look for duplicated cells, cells between types, odd bits and doubtful labels.

        Parameters
        ----------
        batch_key
            Column with the batch; ``None`` takes the one that the reference was built with.
        most
            Most rows of each table; totals are reported all the same.

        Returns
        -------
        Tables and a summary; see :class:`atlash.reference.audit.AuditReport`.

        Raises
        ------
        KeyNotFoundError
            If there is no such column.
        InputError
            If ``most`` is negative, or there are too many batches.
        """
        from atlash.reference.audit import audit

        return audit(self, batch_key=batch_key, most=most)

    def register_type(
        self,
        name: str,
        cells: Cells,
        *,
        layer: str | None = None,
        gene_column: str | None = None,
        parent: str | None = None,
    ) -> None:
        """Teach the reference a new type from a few of its cells, without learning anew.

        A detector takes the cells that it finds to be of the new type; all other answers stay
        as they are. The cells themselves are not added: see :meth:`add`.

        Parameters
        ----------
        name
            Name of the new type.
        cells
            Some of its cells, at least 5; 20 are better. AnnData, or a path.
        layer
            Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
        gene_column
            Column of ``var`` with the gene identifiers, instead of its index.
        parent
            Parent of the new type, of those that a reference with a hierarchy has; ``None``
            makes it a parent of its own.

        Raises
        ------
        InputError
            If the name is taken, the parent is not known, the cells are too few or cannot be
            used, or the reference was saved by a version that did not keep what this needs.
        OutputError
            If the disk does not take the change.

        Warns
        -----
        LookalikeTypeWarning
            If the type can hardly be told from a known one.
        """
        check_name(layer, "layer")
        check_name(gene_column, "gene_column")
        self._check_newest()
        options = InputConfig(layer=layer, gene_column=gene_column)
        taught = teach(self.annotator, name, cells, options=options, parent=parent)
        self._change(partial(registration, taught=taught, before=self.meta))
        object.__setattr__(self, "annotator", taught.annotator)
        self.__dict__.pop("index", None)

    def versions(self) -> list[Version]:
        """Return the versions on disk, the oldest first; none in memory.

        Raises
        ------
        ReferenceFileError
            If the manifest of a version is missing or damaged.
        """
        path = path_of(self.cells)
        return [] if path is None else versions(path)

    @cached_property
    def fingerprint(self) -> str:
        """What tells this encoder from all others: codes of two can be compared if it is one."""
        return encoder_fingerprint(self.annotator, self._type_counts())

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
        parents = dict(zip(self.types, self.annotator.parents, strict=False))
        levels = {"parents": parents} if parents else {}
        return (
            self.meta
            | levels
            | {
                "fingerprint": self.fingerprint,
                "n_bits": self.annotator.n_bits,
                "n_detail_bits": self.annotator.n_detail_bits,
                "n_genes": len(self.annotator.recipe.genes),
                "n_genes_used": self.annotator.weights.n_features,
                "example_gene": str(self.annotator.recipe.genes.ids[0]),
                "genes_named_by": self.annotator.recipe.genes.kind,
                "columns": self.cells.schema.names,
            }
        )

    def __repr__(self) -> str:
        """Return one line: cells, types, bits."""
        n_cells, n_types = self.meta["n_cells"], len(self.types)
        bits = f"{self.annotator.n_bits} + {self.annotator.n_detail_bits} bits"
        return f"Reference({n_cells:,} cells, {n_types} types, {bits})"

    def _check_newest(self) -> None:
        """Refuse to change a version that was opened although there was a newer one."""
        if self.outdated:
            msg = (
                f"This is version {self.version} of the reference, which was opened by its "
                "number and is not the newest. Load the newest, without a number, to change it."
            )
            raise InputError(msg)

    def _change(self, plan: Callable[[CellTable, dict[str, Any]], Change]) -> None:
        known = self.meta.get("registered")
        state = State(self.cells, self.meta, self.version)
        self._become(changed(state, plan, fingerprint=self.fingerprint))
        path = path_of(self.cells)
        if path is not None and self.meta.get("registered") != known:
            # the newest version, which the change came on top of, knows more types
            newest = type(self).load(path, verify=False, version=self.version)
            object.__setattr__(self, "annotator", newest.annotator)

    def _become(self, state: State) -> None:
        meta = {key: state.meta[key] for key in state.meta if key not in _KEPT_APART}
        object.__setattr__(self, "cells", state.cells)
        object.__setattr__(self, "meta", meta)
        object.__setattr__(self, "version", state.version)
        object.__setattr__(self, "outdated", False)
        self.__dict__.pop("index", None)
        if isinstance(state.cells, CellTable):
            index_ids(state.cells)

    def _type_counts(self) -> NDArray[np.int64]:
        """Return how many cells each type was learned or registered from."""
        return np.array([self.meta["types"][name] for name in self.types])

    def _anchors(self) -> pd.DataFrame:
        return anchor_frame(self.annotator, self._type_counts())

    @property
    def _target_sum(self) -> float:
        return float(self.annotator.recipe.target_sum)

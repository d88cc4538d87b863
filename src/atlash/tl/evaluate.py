"""How well a reference labels cells whose types are known."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from atlash.checks import checked_config
from atlash.config import AnnotateConfig
from atlash.data.source import open_source
from atlash.errors import InputError
from atlash.keys import DEFAULT_PREFIX, AnnotationKeys
from atlash.reference.hierarchy import split_labels_key
from atlash.tl.annotate import Request
from atlash.tl.answers import answers_at_levels, given_anew, open_stored, stored_taxonomy
from atlash.tl.checks import check_config
from atlash.tl.evaluation import Evaluation, evaluate_levels
from atlash.tl.queries import check_reference
from atlash.tl.taxonomy import taxonomy_of
from atlash.tl.true_levels import true_levels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlash.data.source import Cells
    from atlash.reference import Reference


def evaluate(
    adata: Cells,
    reference: Reference | None = None,
    *,
    labels_key: str | Sequence[str],
    rename: Mapping[str, str | None] | None = None,
    key_added: str | None = None,
    layer: str | None = None,
    gene_column: str | None = None,
    config: AnnotateConfig | None = None,
) -> Evaluation:
    """Compare the labels that a reference gives with types that are known.

    Every cell with a type counts. An unassigned cell of a type that the reference knows is an
    error. Types that it does not know are reported apart: their cells should be left
    unassigned, and those that are not lower the precision of the types that they were taken
    for. Means over types leave out types of the reference that do not occur among the cells.

    With a reference that has a hierarchy there are two levels: that of parents, then that of
    types. A cell that was given a parent alone is not assigned at the level of types, and
    counts by its parent at the other.

    Parameters
    ----------
    adata
        Cells whose types are known: AnnData, or the path of a ``.h5ad`` file or zarr store. It
        is left as it is.
    reference
        From :meth:`atlash.Reference.build` or :meth:`atlash.Reference.load`; ``None`` evaluates
        labels that are in ``obs``, without training cells and segments.
    labels_key
        Column of ``obs`` with the true types; their parents are those of the reference. Or two
        columns, ``[parents, types]``, which need a hierarchy. Cells without a type, or without a
        parent, are left out at that level and counted.
    rename
        The reference's name of types and parents that ``labels_key`` calls otherwise, such as
        ``{"T helper cell": "CD4 T cell"}``; ``None`` as a name leaves the cells of a type out.
    key_added
        Prefix of an annotation that is in ``adata`` already; ``None`` annotates the cells anew,
        or takes ``"atlash"`` if there is no reference.
    layer, gene_column, config
        How cells are annotated anew; see :func:`atlash.tl.annotate`.

    Returns
    -------
    Tables and a summary; see :class:`atlash.tl.Evaluation`.

    Raises
    ------
    KeyNotFoundError
        If a column does not exist.
    LabelsError
        If no cell has a type, or none has a type that the reference knows; if a cell has a
        type but no parent, a type has two parents, or one name stands at both levels.
    InputError
        If the cells or the options cannot be used; the subclasses in :mod:`atlash.errors` say
        why. So if there are two columns but no hierarchy, or if labels are evaluated that are
        in ``obs`` and options say how to annotate.

    Warns
    -----
    LikeNamesWarning, UnusedNamesWarning, OtherParentsWarning
    GuessedTypesWarning
        If labels are evaluated that are in ``obs``, and neither a reference nor ``uns`` tells
        which types there were, as after ``anndata.concat``.
    """
    if reference is not None:
        check_reference(reference)
    keys = AnnotationKeys(key_added or DEFAULT_PREFIX)
    columns = split_labels_key(labels_key)
    config = checked_config(config, AnnotateConfig)
    check_config(config)
    _check_truth(columns, keys, config)
    if reference is not None and key_added is None:
        obs = open_source(adata, layer).obs
        truth = true_levels(obs, columns, rename, known=taxonomy_of(reference))
        request = Request(layer, gene_column, force=False, keys=keys, config=config)
        answers = given_anew(adata, reference, request)
    else:
        _refuse_options(layer, gene_column, config, keys)
        stored = open_stored(adata, keys)
        known = stored_taxonomy(stored, keys, reference)
        truth = true_levels(stored.obs, columns, rename, known=known)
        answers = answers_at_levels(stored, keys, known, reference=reference)
    return evaluate_levels(truth, answers)


def _check_truth(
    columns: tuple[str | None, str], keys: AnnotationKeys, config: AnnotateConfig
) -> None:
    for column in columns:
        if column is not None and column == config.vote:
            msg = (
                f"`vote` is {column!r}, the column with the true types: cells would be labelled "
                "by what is to be found out. Vote in clusters, or in no column."
            )
            raise InputError(msg)
        if column in (keys.label, keys.nearest, keys.parent):
            msg = (
                f"`labels_key` is {column!r}, which names answers of atlash. Name the column with "
                "the true types."
            )
            raise InputError(msg)


def _refuse_options(
    layer: str | None, gene_column: str | None, config: AnnotateConfig, keys: AnnotationKeys
) -> None:
    """Refuse options that would have no effect, as the answers are there."""
    default = AnnotateConfig()
    given = {"layer": layer is not None, "gene_column": gene_column is not None} | {
        option.name: getattr(config, option.name) != getattr(default, option.name)
        for option in fields(config)
        if option.name not in ("n_threads", "progress")
    }
    named = [f"`{name}`" for name, is_given in given.items() if is_given]
    if named:
        msg = (
            f"The answers in {keys.label!r} are evaluated as they are, so options of annotation "
            f"would have no effect. Drop {' and '.join(named)}, or annotate anew: pass a "
            "`reference` and no `key_added`."
        )
        raise InputError(msg)

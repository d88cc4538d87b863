"""How well a reference labels cells whose types are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlash.config import AnnotateConfig
from atlash.data.source import open_source
from atlash.errors import InputError
from atlash.keys import DEFAULT_PREFIX, AnnotationKeys
from atlash.tl.annotate import Request, check_config
from atlash.tl.answers import given_anew, open_stored, stored_answers
from atlash.tl.evaluation import Evaluation, evaluate_level
from atlash.tl.truth import check_overlap, read_truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlash.data.source import Cells
    from atlash.reference import Reference


def evaluate(
    adata: Cells,
    reference: Reference | None = None,
    *,
    labels_key: str,
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

    Parameters
    ----------
    adata
        Cells whose types are known: AnnData, or the path of a ``.h5ad`` file or zarr store. It
        is left as it is.
    reference
        From :meth:`atlash.Reference.build` or :meth:`atlash.Reference.load`; ``None`` evaluates
        labels that are in ``obs``, without training cells and segments.
    labels_key
        Column of ``obs`` with the true types. Cells without one are left out and counted.
    rename
        The reference's name of types that ``labels_key`` calls otherwise, such as
        ``{"T helper cell": "CD4 T cell"}``; ``None`` as a name leaves the cells of a type out.
    key_added
        Prefix of an annotation that is in ``adata`` already; ``None`` annotates the cells anew,
        or takes ``"atlash"`` if there is no reference.
    layer
        Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
    gene_column
        Column of ``var`` with the gene identifiers, instead of its index.
    config
        How cells are annotated; ``None`` stands for ``AnnotateConfig()``.

    Returns
    -------
    Tables and a summary; see :class:`atlash.tl.Evaluation`.

    Raises
    ------
    KeyNotFoundError
        If a column does not exist.
    LabelsError
        If no cell has a type, or none has a type that the reference knows.
    InputError
        If the cells or the options cannot be used; the subclasses in :mod:`atlash.errors` say
        why.

    Warns
    -----
    LikeNamesWarning, UnusedNamesWarning
    """
    config = config or AnnotateConfig()
    check_config(config)
    keys = AnnotationKeys(key_added or DEFAULT_PREFIX)
    if labels_key in (keys.label, keys.nearest):
        msg = (
            f"`labels_key` is {labels_key!r}, which names answers of atlash. Name the column with "
            "the true types."
        )
        raise InputError(msg)
    if reference is not None and key_added is None:
        truth = read_truth(open_source(adata, layer).obs, labels_key, rename)
        check_overlap(truth, reference.types, labels_key)
        request = Request(layer, gene_column, force=False, keys=keys, config=config)
        answers = given_anew(adata, reference, request)
    else:
        stored = open_stored(adata, keys)
        truth = read_truth(stored.obs, labels_key, rename)
        answers = stored_answers(stored, keys, reference)
        check_overlap(truth, answers.types, labels_key)
    levels = [(labels_key, truth, answers)]
    return Evaluation(tuple(evaluate_level(*level) for level in levels))

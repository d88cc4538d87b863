"""Embed cells by a pre-trained encoder."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.checks import checked_config
from atlash.config import EmbedConfig, InputConfig
from atlash.data.source import open_source
from atlash.errors import InputError
from atlash.keys import EmbeddingKeys
from atlash.progress import n_threads_or_all, track
from atlash.tl.checks import check_anndata, check_key_added, check_reading
from atlash.tl.written import target_of

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from atlash.data.normalize import BoundSource
    from atlash.models.pretrained import PretrainedEncoder


def embed(
    adata: AnnData,
    model: PretrainedEncoder | str | Path,
    *,
    layer: str | None = None,
    gene_column: str | None = None,
    key_added: str = EmbeddingKeys.prefix,
    config: EmbedConfig | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Embed cells by a Transformer that was pre-trained without labels.

    A cell's embedding depends on the cell alone, not on those beside it.

    Parameters
    ----------
    adata
        The cells: counts, or normalised values on a linear or logarithmic scale.
    model
        From :meth:`atlash.PretrainedEncoder.load`, or the folder of one.
    layer
        Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
    gene_column
        Column of ``var`` with the gene identifiers, instead of its index.
    key_added
        Key of ``uns``, and what that of ``obsm`` ends with.
    config
        Further options; ``None`` stands for ``EmbedConfig()``.
    copy
        Return a copy, in memory, instead of writing to ``adata``.

    Returns
    -------
    ``None``, or the copy. Written are, with ``atlash_pretrained`` as the key:

    ``obsm["X_atlash_pretrained"]`` : float32 ``(n_obs, width)``
        The embedding, the state of <cls>; 0 for cells that express no known gene.
    ``uns["atlash_pretrained"]`` : dict
        Versions, fingerprint of the encoder, its steps, how the input was read, how many of
        its genes are known and examples of those that are not.

    Raises
    ------
    GeneMismatchError
        If no gene is known to the encoder.
    FileFormatError
        If the encoder's folder is damaged.
    InputError
        If the cells cannot be used, or an option is out of range. Nothing is written then.

    Warns
    -----
    UnknownGenesWarning
        If the cells measured less than half of what the encoder knows, by weight.
    """
    from atlash.models.pretrained import PretrainedEncoder

    config = checked_config(config, EmbedConfig)
    check_anndata(adata, copy=copy)
    check_key_added(key_added)
    check_reading(config.chunk_size, config.n_threads)
    given: object = model
    if not isinstance(given, PretrainedEncoder | str | PathLike):
        msg = (
            "The encoder must be an atlash.PretrainedEncoder or the folder of one, got "
            f"{type(model).__name__}. Load one with `atlash.PretrainedEncoder.load(folder)`."
        )
        raise InputError(msg)
    encoder = model if isinstance(model, PretrainedEncoder) else PretrainedEncoder.load(model)
    options = InputConfig(gene_column=gene_column, scale=config.scale, min_shared=0.0)
    bound = encoder.vocabulary.bind(open_source(adata, layer), options)
    uns = _provenance(bound, encoder)
    found = np.empty((bound.n_cells, encoder.width), np.float32)
    chunks = encoder.embed(
        bound,
        device=config.device,
        chunk_size=config.chunk_size,
        n_threads=n_threads_or_all(config.n_threads),
    )
    with track("Embedding", bound.n_cells, show=config.progress) as advance:
        for rows, part in chunks:
            found[rows] = part
            advance(len(part))
    keys = EmbeddingKeys(key_added)
    target = target_of(adata, copy=copy)
    target.obsm[keys.embedding] = found
    target.uns[keys.provenance] = uns | {"layer": layer or ""}
    return target if copy else None


def _provenance(bound: BoundSource, encoder: PretrainedEncoder) -> dict[str, Any]:
    """Return what was done, in types that ``.h5ad`` files take; warn if little is known."""
    from atlash.models.vocabulary import FEW_KNOWN, UnknownGenesWarning, genes_known

    known = genes_known(bound)
    if known["weight_measured"] < FEW_KNOWN:
        unknown = known["n_genes"] - known["n_genes_known"]
        examples = ", ".join(map(repr, known["unknown_examples"]))
        msg = (
            f"{bound.source.name} measured {known['n_vocabulary_measured']:,} of the "
            f"{len(encoder.vocabulary):,} genes that the encoder knows, with "
            f"{known['weight_measured']:.0%} of their weight; embeddings may be poor."
        )
        if unknown:
            msg += f" {unknown:,} of its genes are unknown, for example {examples}."
        warnings.warn(msg, UnknownGenesWarning, stacklevel=3)
    return {
        "atlash_version": version("atlash"),
        "encoder_fingerprint": encoder.fingerprint,
        "encoder_steps": encoder.facts["learned"]["n_steps"],
        "source": bound.source.name,
        "scale": bound.scale.name,
        "genes": known | {"unknown_examples": np.array(known["unknown_examples"], dtype=object)},
    }

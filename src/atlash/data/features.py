"""Which features of ``var`` are genes: antibodies, peaks, guides and spike-ins are left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from atlash.errors import EmptyInputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_NOT_GENES = re.compile(
    r"antibody|\badt\b|\bhto\b|hashtag|multiplex|crispr|guide|peak|\batac\b|^protein$|custom"
    r"|spike|\bvdj\b|antigen",
    re.IGNORECASE,
)
_SPIKE_IN = re.compile(r"^ERCC[-_.]\d{5}$")
_ANY_SPIKE_IN = re.compile(_SPIKE_IN.pattern, re.MULTILINE)
_TYPE_COLUMNS = ("feature_types", "feature_biotype")


def gene_features(var: pd.DataFrame, source_name: str) -> NDArray[np.bool_]:
    """Tell genes from other features.

    Parameters
    ----------
    var
        One row a feature. ``feature_types`` (10x) and ``feature_biotype`` (CELLxGENE) are
        looked at where they exist; types that are not known to be something else count as
        genes. ERCC spike-ins are known by name.
    source_name
        What messages call the cells.

    Returns
    -------
    Mask of shape ``(n_features,)``, true for genes.

    Raises
    ------
    EmptyInputError
        No feature is a gene.
    """
    keep = np.ones(len(var), dtype=bool)
    found: list[str] = []
    for column in _TYPE_COLUMNS:
        if column in var:
            types = var[column].astype(str)
            found += sorted(types.unique())
            other = [kind for kind in types.unique() if _NOT_GENES.search(kind)]
            keep &= ~types.isin(other).to_numpy()
    names = [str(name) for name in var.index]
    if _ANY_SPIKE_IN.search("\n".join(names)):  # one search is faster than one a name
        spiked = np.fromiter((bool(_SPIKE_IN.match(name)) for name in names), bool, len(var))
        if not spiked.all():
            keep &= ~spiked
    if not keep.any():
        msg = (
            f"None of the {len(var):,} features of {source_name} is a gene: their types are "
            f"{', '.join(map(repr, found))}. Gene expression ('Gene Expression') or gene "
            "activity is needed; correct `var['feature_types']` if it is wrong."
        )
        raise EmptyInputError(msg)
    return keep

"""Writing results to an AnnData, or to a copy of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData


def target_of(adata: AnnData, *, copy: bool) -> AnnData:
    """Return what is written to: the cells themselves, or a copy in memory."""
    if not copy:
        return adata
    return adata.to_memory() if adata.isbacked else adata.copy()


def put(target: AnnData, obs: pd.DataFrame, sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Write columns of ``obs``, by row and not by name, and entries of other sections."""
    for name, column in obs.items():
        target.obs[name] = column.array if column.dtype == "category" else column.to_numpy()
    for section, entries in sections.items():
        for key, value in entries.items():
            getattr(target, section)[key] = value

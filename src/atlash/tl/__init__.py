"""One verb a file: AnnData in and out."""

from atlash.tl.annotate import annotate
from atlash.tl.cluster import cluster
from atlash.tl.count import count_within
from atlash.tl.embed import embed
from atlash.tl.hits import Hits
from atlash.tl.markers import markers
from atlash.tl.neighbors import neighbors
from atlash.tl.paga import paga
from atlash.tl.pseudotime import pseudotime
from atlash.tl.search import search
from atlash.tl.umap import umap

__all__ = [
    "Hits",
    "annotate",
    "cluster",
    "count_within",
    "embed",
    "markers",
    "neighbors",
    "paga",
    "pseudotime",
    "search",
    "umap",
]

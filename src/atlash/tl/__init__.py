"""One verb a file: AnnData in and out."""

from atlash.tl.annotate import annotate
from atlash.tl.assign import assign
from atlash.tl.cluster import cluster
from atlash.tl.count import count_within
from atlash.tl.embed import embed
from atlash.tl.evaluate import evaluate
from atlash.tl.evaluation import Evaluation
from atlash.tl.hits import Hits
from atlash.tl.markers import markers
from atlash.tl.neighbors import neighbors
from atlash.tl.paga import paga
from atlash.tl.pseudotime import pseudotime
from atlash.tl.search import search
from atlash.tl.umap import umap

__all__ = [
    "Evaluation",
    "Hits",
    "annotate",
    "assign",
    "cluster",
    "count_within",
    "embed",
    "evaluate",
    "markers",
    "neighbors",
    "paga",
    "pseudotime",
    "search",
    "umap",
]

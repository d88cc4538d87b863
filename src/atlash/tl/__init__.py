"""One verb a file: AnnData in and out."""

from atlash.tl.annotate import annotate
from atlash.tl.count import count_within
from atlash.tl.hits import Hits
from atlash.tl.neighbors import neighbors
from atlash.tl.search import search

__all__ = ["Hits", "annotate", "count_within", "neighbors", "search"]

"""One verb a file: AnnData in and out."""

from atlash.tl.annotate import annotate
from atlash.tl.hits import Hits
from atlash.tl.search import search

__all__ = ["Hits", "annotate", "search"]

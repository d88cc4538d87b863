"""One verb a file: AnnData in and out."""

from atlash.tl.annotate import annotate

__all__ = ["annotate"]

"""Pictures; every function returns its Axes."""

from atlash.pl.confusion import confusion

__all__ = ["confusion"]

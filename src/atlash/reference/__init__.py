"""What is kept: references, saved whole, checked when loaded."""

from atlash.reference.reference import Reference

__all__ = ["Reference"]

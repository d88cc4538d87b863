"""Parent and sub types: options compared by inner validation; see :mod:`benchmarks.hierarchy`."""

from __future__ import annotations

from benchmarks import hierarchy


def main(arguments: list[str]) -> None:
    hierarchy.main(["--inner", *arguments])

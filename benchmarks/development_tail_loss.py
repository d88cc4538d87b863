"""The default loss against that for long tails; see :mod:`benchmarks.development`."""

from __future__ import annotations

from benchmarks import development


def main(arguments: list[str]) -> None:
    development.main(["--study", "development_tail_loss", *arguments])

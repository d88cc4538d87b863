"""Augmentations compared by inner validation; see :mod:`benchmarks.development`."""

from __future__ import annotations

from benchmarks import development


def main(arguments: list[str]) -> None:
    development.main(["--study", "development_augmentation", *arguments])

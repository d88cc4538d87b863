"""The one tree of errors.

Each message says what was found, what was needed, an example of each, and the remedy::

    AtlashError
    ├── InputError               the cells given cannot be used as they are
    │   ├── EmptyInputError      no cells or no genes
    │   ├── FileFormatError      a file is missing, truncated or of another format
    │   ├── InvalidValuesError   NaN, infinite or negative entries
    │   ├── ScaleError           the matrix is scaled, or its scale cannot be told
    │   ├── GeneMismatchError    too little overlap with the genes of the reference
    │   ├── LabelsError          the labels column is missing or unusable
    │   └── KeyNotFoundError     a layer, column or key does not exist
    ├── ReferenceFileError       a saved reference is missing, damaged or too new
    ├── MissingPackageError      an optional package is not installed
    ├── OutputError              a result cannot be written
    │   └── ConflictError        someone else has changed the reference meanwhile
    └── TrainingError            learning went wrong (for example a loss that is not finite)
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[object], *, most: int = 1) -> str:
    """Return the question after the nearest names, with a space before it; empty without any."""
    texts = [str(other) for other in known]
    near = difflib.get_close_matches(str(name), texts, n=most, cutoff=0.3)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


class AtlashError(Exception):
    """Base of every error that atlash raises on purpose."""


class InputError(AtlashError, ValueError):
    """The cells given cannot be used as they are."""


class EmptyInputError(InputError):
    """No cells or no genes."""


class FileFormatError(InputError):
    """A file is missing, truncated or of another format."""


class InvalidValuesError(InputError):
    """NaN, infinite or negative entries."""


class ScaleError(InputError):
    """The matrix is scaled, or its scale cannot be told."""


class GeneMismatchError(InputError):
    """Too little overlap with the genes of the reference."""


class LabelsError(InputError):
    """The labels column is missing or unusable."""


class KeyNotFoundError(InputError):
    """A layer, column or key does not exist."""


class ReferenceFileError(AtlashError):
    """A saved reference is missing, damaged or too new."""


class MissingPackageError(AtlashError, ImportError):
    """An optional package is not installed."""


class OutputError(AtlashError, OSError):
    """A result cannot be written."""


class ConflictError(OutputError):
    """Someone else has changed the reference since it was read."""


class TrainingError(AtlashError, RuntimeError):
    """Learning went wrong."""

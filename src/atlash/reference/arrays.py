"""Named arrays as bytes that are the same on every machine."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_KINDS = frozenset(
    ["bool", "float16", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)


def to_safetensors(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return named arrays in the safetensors format.

    Parameters
    ----------
    arrays
        Arrays of any shape, memory order and byte order; boolean, integer or floating.

    Raises
    ------
    TypeError
        If an array has another dtype.
    """
    from safetensors.numpy import save

    data: bytes = save({name: _portable(name, array) for name, array in arrays.items()})
    return data


def from_safetensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the named arrays of a safetensors file, each writable and owning its memory."""
    from safetensors.numpy import load

    return {name: np.array(array) for name, array in load(data).items()}


def fingerprint(
    arrays: Mapping[str, NDArray[Any]], genes: pd.DataFrame, anchors: pd.DataFrame
) -> str:
    """Identify an encoder by all that decides its codes.

    Parameters
    ----------
    arrays
        Weights and calibration, by name.
    genes, anchors
        Tables whose columns and index hold numbers, booleans, text or bytes.

    Returns
    -------
    Sha256 over every name, dtype, shape and content, 64 hex digits. The order of the names,
    the memory order and the byte order of the machine do not matter; the order of rows does.

    Raises
    ------
    TypeError
        If an array or column holds anything else.
    ValueError
        If two columns of a table share a name.
    """
    digest = hashlib.sha256()
    parts = {f"array/{name}": _portable(name, array) for name, array in arrays.items()}
    for kind, frame in (("genes", genes), ("anchors", anchors)):
        if not frame.columns.is_unique:
            msg = f"The table of {kind} has columns of the same name: {list(frame.columns)}."
            raise ValueError(msg)
        parts[f"{kind}/index"] = _column(f"the index of {kind}", frame.index.to_series())
        for position, name in enumerate(frame.columns):
            parts[f"{kind}/column/{name}"] = _column(str(name), frame.iloc[:, position])
    for name in sorted(parts):
        array = parts[name]
        header = json.dumps([name, array.dtype.str, array.shape])
        digest.update(header.encode() + b"\n" + array.tobytes())
    return digest.hexdigest()


def _portable(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in C order and little-endian bytes."""
    array = np.asarray(array, order="C")
    if array.dtype.name not in _KINDS:
        msg = (
            f"The array {name!r} has dtype {array.dtype}; boolean, integer or floating is "
            "needed, for example float32. Convert it with `astype`."
        )
        raise TypeError(msg)
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _column(name: str, values: pd.Series[Any]) -> NDArray[Any]:
    """Return a column as numbers, or else its entries as JSON in UTF-8 bytes.

    Text takes many dtypes (object, string, category), which a trip through a file may change:
    its entries alone count.
    """
    if isinstance(values.dtype, np.dtype) and values.dtype.name in _KINDS:
        return _portable(name, values.to_numpy())
    entries = [_entry(name, value) for value in values]
    return np.frombuffer(json.dumps(entries).encode(), dtype=np.uint8)


def _entry(name: str, value: object) -> object:
    if isinstance(value, bytes):
        return [value.hex()]
    if isinstance(value, (str, bool, int, float)) and value == value:  # noqa: PLR0124 (NaN)
        return value
    if isinstance(value, (np.bool_, np.integer, np.floating)) and not np.isnan(value):
        return value.item()
    if (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or isinstance(value, (float, np.floating))
    ):
        return None
    msg = f"The column {name!r} holds a {type(value).__name__}; needed are numbers, text or bytes."
    raise TypeError(msg)

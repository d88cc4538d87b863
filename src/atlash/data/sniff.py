"""What a file that is not an AnnData file looks like, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

_HEAD = 512
"""Bytes that are looked at."""
_SAVE = ", then save it as .h5ad"
_MAGIC = (
    (b"\x1f\x8b", "a gzip archive", "unpack it with `gunzip`"),
    (b"PK\x03\x04", "a zip archive", "unpack it with `unzip`"),
    (b"BZh", "a bzip2 archive", "unpack it with `bunzip2`"),
    (b"\xfd7zXZ", "an xz archive", "unpack it with `unxz`"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it with `unzstd`"),
    (b"PAR1", "a parquet table", f"build an AnnData from it with `anndata.AnnData(frame)`{_SAVE}"),
    (
        b"%%MatrixMarket",
        "a Matrix Market file",
        f"read it with `scanpy.read_10x_mtx(folder)`{_SAVE}",
    ),
    (b"\x80", "a pickle", "load it where it was written and save it as .h5ad"),
    (b"RDX", "an R workspace", "convert the object to .h5ad in R, for example with anndataR"),
    (b"<", "a web page, perhaps a failed download", "download the file again"),
)
_READ_TEXT = "read it with `anndata.io.read_csv(path)` (genes must be columns)"


def describe_bytes(path: Path) -> tuple[str, str]:
    """Say what the first bytes of a file look like, and the remedy."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "an empty file (0 bytes)", "copy or download it again"
    if head.startswith(HDF5_MAGIC):
        return "a truncated or damaged HDF5 file", "copy or download it again"
    for magic, what, remedy in _MAGIC:
        if head.startswith(magic):
            return what, remedy
    text = head.decode("utf-8", errors="replace")
    lines = len(head) == _HEAD or not text.isprintable()  # or the first line ends further on
    if lines and "\ufffd" not in text[:-1] and "\x00" not in text:
        for separator, name in (("\t", "tab-separated"), (",", "comma-separated")):
            if separator in text.splitlines()[0]:
                return f"{name} text", f"{_READ_TEXT}{_SAVE}"
    return "a file of unknown format", "convert it to .h5ad with anndata"


def describe_group(keys: Any) -> tuple[str, str]:  # noqa: ANN401
    """Say what an HDF5 or zarr group without ``obs`` and ``var`` looks like, and the remedy."""
    found = set(keys)
    if {"row_attrs", "col_attrs"} <= found:
        return "a loom file", "read it with `anndata.io.read_loom(path)`, then save it as .h5ad"
    if "mod" in found:
        return "a MuData file", "save one modality, for example `mdata['rna'].write_h5ad(path)`"
    if "matrix" in found or any("barcodes" in key for key in found):
        return "a 10x HDF5 file", "read it with `scanpy.read_10x_h5(path)`, then save it as .h5ad"
    listed = ", ".join(repr(key) for key in sorted(found)[:8]) or "nothing"
    return f"a file holding {listed}", "save it again with `adata.write_h5ad(path)`"

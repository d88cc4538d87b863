"""The manifest finds its own damage and never leads out of the folder."""

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.errors import OutputError, ReferenceFileError
from atlash.reference.manifest import (
    MAX_BYTES,
    CellsEntry,
    Commit,
    FileEntry,
    Manifest,
    check_meta,
    dump_manifest,
    parse_manifest,
    read_manifest_bytes,
)

FILES = {
    name: FileEntry(path=f"{name}.0123abcd.bin", sha256="0" * 64, bytes=3)
    for name in ("encoder", "genes", "anchors", "cells/data/x.lance")
}
MANIFEST = Manifest(
    meta={"labels": ["B", "T"], "floor": 0.25, "none": None},
    files=FILES,
    cells=CellsEntry(path="cells.0123abcd.lance", version=1, rows=7),
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def signed(without=(), **changes):
    """Return a manifest with other content, whose sum is right."""
    content = json.loads(dump_manifest(MANIFEST)) | changes
    for name in ("checksum", *without):
        del content[name]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["checksum"] = hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps(content).encode()


def entry(**changes):
    return {"path": "x.bin", "sha256": "0" * 64, "bytes": 3} | changes


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_manifest_comes_back(meta):
    check_meta(meta)
    manifest = Manifest(meta=meta, files=FILES, cells=MANIFEST.cells)
    assert parse_manifest(dump_manifest(manifest), Path("pbmc.atlash")) == manifest


def test_version_comes_back_and_is_1_where_there_was_none(tmp_path):
    commit = Commit(number=7, oldest=3, date="2026-01-01T00:00:00+00:00", note="added 3 cells")
    grown = replace(MANIFEST, commit=commit)
    assert parse_manifest(dump_manifest(grown), tmp_path) == grown
    assert parse_manifest(signed(without=["commit"]), tmp_path) == MANIFEST
    assert MANIFEST.commit == Commit(number=1, oldest=1, date="", note="saved")


def test_signing_in_this_test_is_the_signing_of_the_manifest(tmp_path):
    assert parse_manifest(signed(), tmp_path) == MANIFEST


def test_every_flipped_bit_is_found(tmp_path):
    raw = dump_manifest(MANIFEST)
    for place in range(len(raw)):
        for bit in range(8):
            damaged = bytearray(raw)
            damaged[place] ^= 1 << bit
            with suppress(ReferenceFileError):
                # found undamaged, such as one kind of white space for another
                assert parse_manifest(bytes(damaged), tmp_path) == MANIFEST


def test_every_truncation_is_found(tmp_path):
    raw = dump_manifest(MANIFEST).rstrip()
    for length in range(len(raw)):
        with pytest.raises(ReferenceFileError, match=r"manifest\.json' is damaged"):
            parse_manifest(raw[:length], tmp_path)


@pytest.mark.parametrize("version", [2, 3, 1000])
def test_newer_format_asks_for_an_update(version, tmp_path):
    with pytest.raises(ReferenceFileError) as caught:
        parse_manifest(signed(format_version=version), tmp_path / "pbmc.atlash")
    assert f"newer atlash (format {version}; this one reads up to 1)" in str(caught.value)
    assert "pip install -U atlash" in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a//b",
        "C:\\x",
        "a\\..\\x",
        "c:x",
        "a\0b",
        3,
        None,
    ],
)
def test_paths_out_of_the_folder_are_refused(place, tmp_path):
    for changes in (
        {"files": signed_files() | {"encoder": entry(path=place)}},
        {"cells": {"path": place, "version": 1, "rows": 7}},
    ):
        with pytest.raises(ReferenceFileError, match="not a place inside the reference"):
            parse_manifest(signed(**changes), tmp_path)


def signed_files():
    return json.loads(dump_manifest(MANIFEST))["files"]


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": 0},
        {"format_version": "1"},
        {"format_version": None},
        {"meta": 3},
        {"meta": None},
        {"files": []},
        {"files": {}},
        {"files": {"encoder": entry(), "genes": entry()}},
        {"files": {"encoder": None, "genes": entry(), "anchors": entry()}},
        {"files": {"encoder": entry(more=1), "genes": entry(), "anchors": entry()}},
        {"files": {"encoder": entry(bytes="3"), "genes": entry(), "anchors": entry()}},
        {"files": {"encoder": entry(sha256=3), "genes": entry(), "anchors": entry()}},
        {"cells": None},
        {"cells": {"path": "cells.lance"}},
        {"cells": {"path": "cells.lance", "version": "1", "rows": 7}},
        {"cells": {"path": "cells.lance", "version": 1, "rows": None}},
        {"commit": None},
        {"commit": {"number": "3"}},
        {"commit": {"number": 0, "oldest": 0}},
        {"commit": {"number": 3, "oldest": 4}},
        {"commit": {"number": 3, "oldest": None}},
        {"commit": {"number": 3, "note": 3}},
        {"commit": {"number": 3, "date": None}},
        {"commit": {"number": 3, "author": "x"}},
    ],
)
def test_odd_entries_are_refused(changes, tmp_path):
    with pytest.raises(ReferenceFileError, match=r"manifest\.json' is damaged"):
        parse_manifest(signed(**changes), tmp_path)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"3",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": "other"}',
        b"9" * 10_000,
    ],
)
def test_other_json_is_refused(raw, tmp_path):
    with pytest.raises(ReferenceFileError, match=r"manifest\.json' is damaged"):
        parse_manifest(raw, tmp_path)


@pytest.mark.parametrize(
    "meta",
    [
        {"a": (1, 2)},
        {1: "a"},
        {"a": np.int64(1)},
        {"a": np.zeros(2)},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": {1, 2}},
        {"a": b"x"},
        {"a": object()},
    ],
)
def test_meta_that_json_would_change_is_refused(meta):
    with pytest.raises(OutputError, match="meta data"):
        check_meta(meta)


def test_size_is_bounded_both_ways(tmp_path):
    large = Manifest(meta={"a": "x" * MAX_BYTES}, files=FILES, cells=MANIFEST.cells)
    with pytest.raises(OutputError, match="at most 16,777,216 can be read"):
        dump_manifest(large)
    (tmp_path / "manifest.json").write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(ReferenceFileError, match="larger than"):
        read_manifest_bytes(tmp_path)

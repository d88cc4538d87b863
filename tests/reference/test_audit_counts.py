"""Audits count as plain Python does, whatever is listed and however cells are kept."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from atlash.errors import InputError, KeyNotFoundError
from atlash.reference import Reference
from atlash.reference.audit import audit, audit_cells
from atlash.reference.audit_counts import Names
from atlash.reference.audit_scan import Scan

N = 1200


@pytest.fixture
def faulty(planted):
    """Some of everything, labels and batches missing here and there."""
    rng = np.random.default_rng(3)
    planted.bits[rng.integers(0, N, 60)] = planted.bits[rng.integers(0, N, 60)]
    planted.labels[rng.integers(0, N, 30)] = planted.reference.types[0]
    planted.labels[rng.integers(0, N, 30)] = None
    planted.labels[rng.integers(0, N, 30)] = "no anchor"
    planted.batch[rng.integers(0, N, 30)] = None
    planted.bits[:40, : planted.n_anchor_bits] ^= rng.random((40, planted.n_anchor_bits)) < 0.4
    planted.detail[:, 3] = False
    planted.detail[:, 4] = planted.batch == "b1"
    return planted


def same(one, other):
    assert one.summary == other.summary
    for name in ("duplicates", "midway", "bits", "mislabelled"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


def test_every_cell_is_counted_as_one_by_one(faulty):
    """Against plain Python, over all cells and pairs of types."""
    report = faulty.audit(most=N)
    types = faulty.reference.types
    bits = faulty.bits[:, : faulty.n_anchor_bits]
    distances = (bits[:, None] != faulty.anchors).sum(axis=2).tolist()
    limit = report.summary["midway"]["margin_at_most"]
    midway, wrong = Counter(), Counter()
    margins = {}
    for row, away in enumerate(distances):
        (d1, first), (d2, second), *_ = sorted(zip(away, range(len(types)), strict=True))
        if d2 - d1 <= limit:
            midway[tuple(sorted((first, second)))] += 1
        if faulty.labels[row] in types:
            own = types.index(faulty.labels[row])
            if away[own] > d1:
                wrong[types[own], types[first]] += 1
                margins[row] = away[own] - d1
    assert min(margins.values()) < 10 < max(margins.values())
    found = report.mislabelled
    assert dict(zip(found["row"], found["margin"], strict=True)) == margins
    told = report.summary["mislabelled"]["pairs"]
    assert {(pair["label"], pair["nearest"]): pair["cells"] for pair in told} == wrong
    named = {(types[a], types[b]): count for (a, b), count in midway.items()}
    told = report.summary["midway"]["pairs"]
    assert {(pair["first"], pair["second"]): pair["cells"] for pair in told} == named


def test_larger_groups_come_first(planted):
    planted.batch[:5] = ["b1", "b2", "b1", "b2", "b3"]
    planted.bits[1], planted.bits[3:5] = planted.bits[0], planted.bits[2]
    assert planted.audit().duplicates["row"].tolist() == [2, 3, 4, 0, 1]


def test_names_of_cells_without_label_are_not_compared(planted):
    planted.batch[:20] = ["b1", "b2"] * 10
    planted.ids[1:20:2] = ["study2_" + name for name in planted.ids[0:20:2]]
    planted.labels[:20] = None
    assert planted.audit().summary["duplicates"]["by_name"]["pairs"] == 0


def test_values_are_numbered_as_they_are_met():
    names = Names(["known"])
    column = pa.DictionaryArray.from_arrays(
        pa.array([2, 0, None, 2, 3]), pa.array(["a", "unused", "c", "known"])
    )
    assert names.numbers(column).tolist() == [1, 2, -1, 1, 0]
    assert names.numbers(pa.array([None, "d", "a"])).tolist() == [-1, 3, 2]
    assert names.all == ["known", "c", "a", "d"]
    assert names.of(np.array([3, -1, 0], dtype=np.int32)) == ["d", None, "known"]
    floats = Names()
    assert floats.numbers(pa.array([1.5, float("nan"), None])).tolist() == [0, -1, -1]


@pytest.mark.parametrize("size", [1, 7, 500])
def test_chunks_do_not_matter(faulty, size):
    expected = faulty.audit(most=20)
    scan = Scan(
        faulty.table(),
        faulty.reference.annotator.anchors,
        faulty.reference.types,
        batch_column="batch",
        most=20,
    )
    same(audit_cells(scan, size=size), expected)
    for part in ("midway", "mislabelled"):
        assert expected.summary[part]["cells"] > 20
        assert len(getattr(expected, part)) == 20


def test_a_saved_reference_is_audited_alike(faulty, tmp_path):
    in_memory = replace(faulty.reference, cells=faulty.table())
    expected = audit(in_memory)
    in_memory.save(tmp_path / "faulty.atlash")
    same(audit(Reference.load(tmp_path / "faulty.atlash")), expected)


def test_one_table_of_all_findings(faulty):
    report = faulty.audit()
    frame = report.to_frame()
    assert json.loads(json.dumps(report.summary)) == report.summary
    counts = frame["finding"].value_counts()
    assert counts["duplicate"] == len(report.duplicates) > 0
    assert counts["midway"] == len(report.midway) > 0
    assert counts["mislabelled"] == len(report.mislabelled) > 0
    assert counts["dead bit"] == report.bits["dead"].sum() == 1
    assert counts["batch-revealing bit"] == report.bits["batch_revealing"].sum() == 1
    assert frame.columns[0] == "finding"
    assert str(frame["row"].dtype) == "Int64"
    assert set(frame[frame["finding"] == "midway"].dropna(axis=1).columns) >= {"row", "margin"}


def test_counts_are_of_all_cells_whatever_is_listed(faulty):
    full, short, none = (faulty.audit(most=most) for most in (10_000, 3, 0))
    for report, most in ((short, 3), (none, 0)):
        for name in ("duplicates", "midway", "mislabelled"):
            pd.testing.assert_frame_equal(
                getattr(report, name), getattr(full, name)[:most], check_dtype=most > 0
            )
        assert report.summary["midway"]["cells"] == full.summary["midway"]["cells"]
        assert report.summary["duplicates"]["by_code"] == full.summary["duplicates"]["by_code"]


def test_cells_without_an_anchor_of_their_own_are_not_judged(planted):
    planted.labels[:10] = None
    planted.labels[10:30] = "new type"
    report = planted.audit()
    assert report.summary["mislabelled"]["judged"] == N - 30
    assert report.mislabelled.empty


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_cells(planted, n):
    report = audit(replace(planted.reference, cells=planted.table()[:n]))
    assert report.summary["cells"] == n
    assert report.midway.empty
    assert report.mislabelled.empty
    assert "skipped" in report.summary["bits"]["batch_revealing"]
    assert json.loads(json.dumps(report.summary, allow_nan=False)) == report.summary
    assert set(report.to_frame()["finding"]) <= {"dead bit"}


def test_one_type_has_nothing_midway(planted):
    annotator = planted.reference.annotator
    one = replace(annotator, anchors=annotator.anchors[:1], types=annotator.types[:1])
    report = audit(replace(planted.reference, annotator=one, cells=planted.table()))
    assert "one type" in report.summary["midway"]["skipped"]
    assert report.midway.empty
    assert report.mislabelled.empty


@pytest.mark.parametrize("built_with", [None, "gone"])
def test_no_batches(planted, built_with):
    planted.bits[1] = planted.bits[0]
    meta = planted.reference.meta | {"batch_key": built_with}
    report = audit(replace(planted.reference, cells=planted.table(), meta=meta))
    summary = report.summary
    assert summary["batch_column"] is summary["batches"] is None
    assert "skipped" in summary["duplicates"]["by_name"]
    assert "skipped" in summary["bits"]["batch_revealing"]
    assert summary["duplicates"]["by_code"]["pairs_within_batches"]["observed"] == 1
    assert report.duplicates["batch"].tolist() == [None, None]


def test_a_column_goes_by_the_users_name(planted):
    for name in ("percent.mt", "percent_mt"):
        summary = planted.audit(batch_key=name).summary
        assert (summary["batch_column"], summary["batches"]) == ("percent_mt", 2)


def test_bad_requests(planted):
    with pytest.raises(KeyNotFoundError, match=r"no column 'bach'.*Did you mean 'batch'\?"):
        planted.audit(batch_key="bach")
    with pytest.raises(KeyNotFoundError, match="no column 'code'"):
        planted.audit(batch_key="code")
    for most in (-1, 2.5, True, "3"):
        with pytest.raises(InputError, match="`most` is"):
            planted.audit(most=most)


def test_a_column_with_a_value_for_each_cell_is_no_batch(planted, monkeypatch):
    monkeypatch.setattr("atlash.reference.audit_scan.MAX_BATCHES", 1000)
    with pytest.raises(InputError, match="more than 1,000 values, such as '0'"):
        planted.audit(batch_key="n")

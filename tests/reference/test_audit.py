"""Audits: faults that were planted are found, and clean cells are left in peace."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from atlash.codes.pack import pack
from atlash.errors import InputError, KeyNotFoundError
from atlash.reference import Reference
from atlash.reference.audit import audit, audit_cells
from atlash.reference.audit_counts import Names
from atlash.reference.audit_scan import Scan
from atlash.reference.columns import cells_table

N = 1200
BATCHES = np.array(["b1", "b2", "b3"])


class Planted:
    """Cells of the reference's types with 64 detail bits, to plant faults in."""

    def __init__(self, reference):
        rng = np.random.default_rng(0)
        self.reference = reference
        self.anchors = reference.annotator.anchors > 0
        self.n_anchor_bits = self.anchors.shape[1]
        self.kind = rng.integers(0, len(self.anchors), N)
        flips = rng.random((N, self.n_anchor_bits)) < 1 / 32
        self.bits = np.concatenate(
            [self.anchors[self.kind] ^ flips, rng.random((N, 64)) < 0.4], axis=1
        )
        self.batch = BATCHES[rng.integers(0, 3, N)].astype(object)
        self.labels = np.array(reference.types, dtype=object)[self.kind]
        letters = np.array(list("ACGT"))[rng.integers(0, 4, (N, 16))]
        self.ids = np.array(["".join(word) + "-1" for word in letters], dtype=object)

    @property
    def detail(self):
        return self.bits[:, self.n_anchor_bits :]

    def table(self):
        obs = pd.DataFrame({"batch": self.batch, "percent.mt": np.arange(N) % 2, "n": range(N)})
        return cells_table(self.ids, pack(self.bits), self.labels, obs=obs)

    def audit(self, **options):
        return audit(replace(self.reference, cells=self.table()), **options)


@pytest.fixture
def planted(reference):
    return Planted(reference)


def test_clean_cells_are_left_in_peace(planted):
    report = planted.audit()
    assert len(report.to_frame()) == 0
    summary = report.summary
    assert (summary["cells"], summary["batch_column"], summary["batches"]) == (N, "batch", 3)
    codes = summary["duplicates"]["by_code"]
    assert codes["pairs_across_batches"] == {"observed": 0, "expected_by_chance": 0}
    assert codes["groups"] == summary["duplicates"]["by_name"]["pairs"] == 0
    assert summary["midway"]["cells"] == summary["mislabelled"]["cells"] == 0
    assert summary["bits"]["dead"] == summary["bits"]["batch_revealing"]["bits"] == 0
    assert not report.bits["dead"].any()
    assert len(report.bits) == planted.n_anchor_bits + 64


def test_cells_with_the_same_code(planted):
    """Three copies in another batch, one of them under its own name, and one in the same."""
    planted.batch[:8] = ["b1", "b2", "b1", "b2", "b1", "b2", "b3", "b3"]
    planted.bits[1:8:2] = planted.bits[0:8:2]
    planted.labels[1:8:2] = planted.labels[0:8:2]
    planted.ids[3] = "joined_" + planted.ids[2]
    report = planted.audit()
    summary = report.summary["duplicates"]["by_code"]
    assert (summary["cells"], summary["groups"]) == (8, 4)
    assert (summary["groups_across_batches"], summary["groups_with_one_name"]) == (3, 1)
    assert summary["pairs_across_batches"]["observed"] == 3
    assert summary["pairs_within_batches"]["observed"] == 1
    assert summary["pairs_across_batches"]["expected_by_chance"] < 0.01
    found = report.duplicates[report.duplicates["kind"] == "code"]
    assert found["row"].tolist() == [2, 3, 0, 1, 4, 5, 6, 7]
    assert found["group"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert found["cell_id"].tolist() == planted.ids[found["row"]].tolist()
    assert found["batch"].tolist() == planted.batch[found["row"]].tolist()
    assert found["label"].tolist() == planted.labels[found["row"]].tolist()
    assert found["same_name"].tolist() == [True, True] + [False] * 6
    assert found["batches"].tolist() == [2] * 6 + [1] * 2
    assert (found["bits_apart"] == 0).all()


def test_cells_with_the_same_name(planted):
    """Ten cells that another study has, too, processed otherwise."""
    planted.batch[:20] = ["b1", "b2"] * 10
    planted.kind[1:20:2] = planted.kind[0:20:2]
    planted.labels[1:20:2] = planted.labels[0:20:2]
    planted.bits[1:20:2] = planted.bits[0:20:2]
    planted.bits[1:20:2, -2:] ^= True
    planted.ids[1:20:2] = ["study2_" + name for name in planted.ids[0:20:2]]
    report = planted.audit()
    summary = report.summary["duplicates"]["by_name"]
    assert (summary["pairs"], summary["pairs_of_one_label"]) == (10, 10)
    assert summary["likely_one_cell"] == pytest.approx(10)
    assert summary["pairs_of_one_label_expected"] == pytest.approx(10 / 3, abs=0.5)
    assert report.duplicates["kind"].tolist() == ["name"] * 20
    assert report.duplicates["row"].tolist() == list(range(20))
    assert report.duplicates["bits_apart"].tolist() == [0, 2] * 10


def test_barcodes_that_are_used_again_prove_nothing(planted):
    planted.batch[:600], planted.batch[600:] = "b1", "b2"
    planted.ids[600:] = [name.removesuffix("-1") + "-2" for name in planted.ids[:600]]
    report = planted.audit()
    summary = report.summary["duplicates"]["by_name"]
    assert summary["pairs"] == 600
    assert summary["likely_one_cell"] == 0
    assert report.duplicates.empty


def test_numbers_are_no_names(planted):
    planted.ids = np.array([f"cell-{k}" for k in range(N)], dtype=object)
    assert planted.audit().summary["duplicates"]["by_name"]["pairs"] == 0


def test_codes_without_detail_tell_no_duplicates(planted):
    planted.bits = planted.bits[:, : planted.n_anchor_bits]
    report = planted.audit()
    assert "cannot be told" in report.summary["duplicates"]["by_code"]["skipped"]
    assert report.duplicates.empty


def test_a_bit_that_tells_the_batch(planted):
    rng = np.random.default_rng(1)
    planted.detail[:, 7] = (planted.batch == "b2") ^ (rng.random(N) < 0.1)
    report = planted.audit()
    odd = report.bits[report.bits["batch_revealing"]]
    assert odd["bit"].tolist() == [planted.n_anchor_bits + 7]
    assert odd["batch_association"].item() == pytest.approx(0.8, abs=0.05)
    others = report.bits.drop(odd.index)
    assert others["batch_association"].max() < 0.2
    assert report.summary["bits"]["batch_revealing"]["bits"] == 1
    assert report.to_frame()["finding"].tolist() == ["batch-revealing bit"]


def test_a_bit_that_follows_the_type_is_no_batch_bit(planted):
    planted.batch = np.where(planted.kind == 0, "b1", "b2").astype(object)
    planted.batch[::9] = "b3"
    assert planted.audit().summary["bits"]["batch_revealing"]["bits"] == 0


def test_dead_bits(planted):
    planted.detail[:, 3] = False
    planted.detail[:, 5] = True
    planted.detail[0, 5] = False
    planted.detail[:, 9] = planted.kind == 0
    planted.bits[:, 2] = True
    report = planted.audit()
    first = planted.n_anchor_bits
    dead = report.bits[report.bits["dead"]]
    assert dead["bit"].tolist() == [2, first + 3, first + 5, first + 9]
    assert dead["part"].tolist() == ["anchor", "detail", "detail", "detail"]
    assert dead["ones"].iloc[:2].tolist() == [1, 0]
    assert dead["dead_within_types"].tolist() == [1, 1, 1, 1]
    assert report.summary["bits"]["dead"] == 4


def test_labels_of_another_type(planted):
    wrong = np.array([5, 17, 40])
    types = np.array(planted.reference.types, dtype=object)
    planted.labels[wrong] = types[(planted.kind[wrong] + 1) % len(types)]
    report = planted.audit()
    found = report.mislabelled
    assert sorted(found["row"]) == wrong.tolist()
    assert found["nearest"].tolist() == types[planted.kind[found["row"]]].tolist()
    assert found["label"].tolist() == planted.labels[found["row"]].tolist()
    assert found["cell_id"].tolist() == planted.ids[found["row"]].tolist()
    assert found["margin"].is_monotonic_decreasing
    bits = planted.bits[found["row"], : planted.n_anchor_bits]
    to_nearest = (bits != planted.anchors[planted.kind[found["row"]]]).sum(axis=1)
    own = (planted.kind[found["row"]] + 1) % len(types)
    to_own = (bits != planted.anchors[own]).sum(axis=1)
    assert found["distance"].tolist() == to_nearest.tolist()
    assert found["margin"].tolist() == (to_own - to_nearest).tolist()
    summary = report.summary["mislabelled"]
    assert (summary["cells"], summary["sure"], summary["judged"]) == (3, 3, N)
    assert sum(pair["cells"] for pair in summary["pairs"]) == 3
    pair = summary["pairs"][0]
    of_label = (planted.labels == pair["label"]).sum()
    assert pair["share_of_label"] == pytest.approx(pair["cells"] / of_label)


def test_cells_midway_between_two_types(planted):
    """Two doublets on the straight way, and one that lies beside it."""
    a, b = planted.anchors[:2]
    differing = np.flatnonzero(a != b)
    between = a.copy()
    between[differing[: len(differing) // 2]] ^= True
    rows = [100, 200, 300]
    planted.bits[rows, : planted.n_anchor_bits] = between
    aside = np.flatnonzero(a == b)[:1]
    planted.bits[200, aside] ^= True
    planted.labels[rows] = planted.reference.types[0]
    report = planted.audit()
    found = report.midway
    assert found["row"].tolist() == [100, 300, 200]
    assert found["aside"].tolist() == [0, 0, 1]
    assert set(found["first"]) | set(found["second"]) == set(planted.reference.types[:2])
    assert (found["margin"] <= report.summary["midway"]["margin_at_most"]).all()
    assert report.summary["midway"]["pairs"] == [
        {"first": planted.reference.types[0], "second": planted.reference.types[1], "cells": 3}
    ]


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

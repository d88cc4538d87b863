"""Audits: faults that were planted are found, and clean cells are left in peace."""

import numpy as np
import pytest

N = 1200


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

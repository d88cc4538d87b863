"""Quality of search: cells of the type first, and neighbours inside the type.

mAP by type: query cells of a held-out donor or study, ranked against the training cells. Recall
inside types: counts are split in two independent halves; everything learns from and encodes half
A, and the 50 nearest reference cells of the type by half B are to be found. Batches: how well they
can be read from the codes inside a type.

The row of :mod:`benchmarks.search_product` is search as users get it, and what limits are held
against; other rows are codes straight from the model. Everything learns from training cells alone.

The queries from kang are donors that the recipe of the detail bits was not chosen on: it was
chosen on haber, sc_mixology, cbmc, paul15 and kang without donors 101, 1039 and 1488.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from hashlib import sha256
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from benchmarks.machine import write_result
from benchmarks.peers.codes import Embedded, peer_codes, signs
from benchmarks.peers.features import features
from benchmarks.places import CHECKOUT, RESULTS, cache_folder
from benchmarks.retrieval import (
    Kinds,
    Neighbours,
    batch_from,
    mean_average_precision,
    precision_of,
)
from benchmarks.search_limits import PRODUCT, limits
from benchmarks.tasks import BATCH, LABELS, Task, annotation_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SPLITS = ("zheng_to_pbmc3k", "pbmc3k_to_zheng", "kang/101", "kang/1039", "kang/1488")
WIDTHS = (32, 64, 128)
N_DETAIL = 64
SHORT_OF = 1000.0
"""Weight of anchor bits that no number of detail bits makes up for."""
OURS = "atlash"
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks search-quality", description=__doc__
    )
    parser.add_argument("--only", choices=["ours", "peers"], help="leave the other half out")
    parser.add_argument(
        "--keep-peers", action="store_true", help="run atlash alone beside the peers of before"
    )
    parser.add_argument("--splits", nargs="+", default=list(SPLITS))
    parser.add_argument("--without-seed", action="store_true", help="its network takes minutes")
    parser.add_argument("--seed", type=int, default=0, help="of atlash")
    options = parser.parse_args(arguments)
    options.only = "ours" if options.keep_peers else options.only
    rows: list[Row] = []
    for task in annotation_tasks(("zheng_to_pbmc3k", "pbmc3k_to_zheng", "kang")):
        if task.name not in options.splits:
            continue
        for row in _rows(_known_only(task), options):
            rows.append(row)
            print(_line(row), flush=True)
    peers = earlier_peers() if options.keep_peers else {"splits": []}
    rows = [*peers.pop("splits"), *rows]
    summary = summarise(rows)
    result = {"splits": rows, "summary": summary, "limits": limits(summary), **peers}
    for line in table(result["summary"]):
        print(line)
    half = None if options.keep_peers else options.only
    print(write_result("search_quality", result, half=half))


def earlier_peers() -> dict[str, Any]:
    """Return the rows of all but atlash in the last result, and where these come from."""
    last = json.loads((RESULTS / "search_quality.json").read_text())
    rows = [row for row in last["splits"] if not row["method"].startswith(OURS)]
    return {"splits": rows, "peers_provenance": last.get("peers_provenance", last["provenance"])}


def _rows(task: Task, options: argparse.Namespace) -> list[Row]:
    """Judge a split, or read what the same source gave for the same data and split."""
    asked = (task.fingerprint, options.only, options.without_seed, options.seed)
    digest = sha256(repr(asked).encode())
    for folder in (CHECKOUT / "src", CHECKOUT / "benchmarks"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    kept = cache_folder("search_quality") / f"{digest.hexdigest()[:16]}.json"
    if not kept.exists():
        scratch = kept.with_suffix(".part")
        scratch.write_text(json.dumps(list(_run(task, options)), allow_nan=False))
        scratch.replace(kept)
    rows: list[Row] = json.loads(kept.read_text())
    return rows


def _run(task: Task, options: argparse.Namespace) -> Iterator[Row]:
    kinds = _kinds(task)
    half, other = (replace(task, name=f"{task.name}/half", cells=c) for c in halves(task.cells))
    seen = features(other)
    neighbours = Neighbours(Embedded(seen.test_pcs, seen.train_pcs), kinds)
    found: dict[str, Row] = {}
    for name, codes in _codes(half, options).items():
        found[name] = neighbours.recall(codes)
    for name, codes in _codes(task, options).items():
        both = np.concatenate([codes.query, codes.reference])
        batch = batch_from(both, kinds) if name in BATCHES_READ_FROM else {}
        found[name] |= {**mean_average_precision(codes, kinds), **batch}
    if options.only != "peers":
        found |= _product_rows((half, task), neighbours, kinds, options.seed)
    for name, figures in found.items():
        yield {
            "task": task.name,
            "group": "kang" if task.group == "kang" else "pbmc_cross",
            "method": name,
            "n_query": len(task.test_rows),
            "n_reference": len(task.train_rows),
            "recall_chance": neighbours.chance,
            **figures,
        }


def _product_rows(
    tasks: tuple[Task, Task], neighbours: Neighbours, kinds: Kinds, seed: int
) -> dict[str, Row]:
    """Judge what a search finds, and its codes when every cell is ranked by them."""
    from benchmarks.search_product import Product  # peers run without atlash

    half = Product(tasks[0], seed)
    found: dict[str, Row] = {
        PRODUCT: neighbours.recall_of(half.inside_types(neighbours.members)),
        **{name: neighbours.recall(codes) for name, codes in half.codes().items()},
    }
    whole = Product(tasks[1], seed)
    nearest, agreement = whole.nearest()
    found[PRODUCT] |= precision_of(nearest, kinds) | agreement
    for name, codes in whole.codes().items():
        found[name] |= mean_average_precision(codes, kinds)
    return found


BATCHES_READ_FROM = (
    "pcs_cosine", "itq_64", "itq_128", f"{OURS}_anchor_64", f"{OURS}_detail_64"
)  # fmt: skip


def _codes(task: Task, options: argparse.Namespace) -> dict[str, Embedded]:
    found: dict[str, Embedded] = {}
    if options.only != "ours":
        found |= peer_codes(task, seed=not options.without_seed)
    if options.only != "peers":
        found |= our_codes(task, options.seed)
    return found


def our_codes(task: Task, seed: int) -> dict[str, Embedded]:
    """Return every ranking of the two-part codes: by part, by rule, by width."""
    from benchmarks.search_codes import two_part_codes  # peers run without atlash

    codes = two_part_codes(task, WIDTHS, seed)
    anchor, bits = codes.anchor, signs(codes.anchor)
    expected = Embedded(np.tanh(anchor.query), bits.reference)
    ranked = {f"{OURS}_anchor_64": bits, f"{OURS}_anchor_64_asymmetric": expected}
    for width, detail in codes.detail.items():
        detail_bits = signs(detail)
        expected_detail = Embedded(np.tanh(detail.query), detail_bits.reference)
        ranked[f"{OURS}_detail_{width}"] = detail_bits
        ranked[f"{OURS}_64+{width}_hamming"] = _joined(bits, detail_bits, 1)
        ranked[f"{OURS}_64+{width}_asymmetric_2"] = _joined(expected, expected_detail, 2)
        if width == N_DETAIL:
            ranked[f"{OURS}_64+64_anchor_first"] = _joined(bits, detail_bits, SHORT_OF)
            ranked[f"{OURS}_64+64_asymmetric"] = _joined(expected, expected_detail, 1)
    return ranked


def _joined(anchor: Embedded, detail: Embedded, weight: float) -> Embedded:
    """Rank by the sum of both products, anchor bits weighed."""
    return Embedded(
        np.hstack([weight * anchor.query, detail.query]),
        np.hstack([anchor.reference, detail.reference]),
    )


def halves(cells: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Deal every count to one of two halves, as if each cell had been sequenced twice."""
    counts = sp.csr_matrix(cells.X)
    first = np.random.default_rng(0).binomial(counts.data.astype(np.int64), 0.5)
    parts = []
    for values in (first, counts.data - first):
        part = cells.copy()
        part.X = sp.csr_matrix(
            (values.astype(np.float32), counts.indices.copy(), counts.indptr.copy()), counts.shape
        )
        part.X.eliminate_zeros()
        parts.append(part)
    return parts[0], parts[1]


def _known_only(task: Task) -> Task:
    """Leave out queries of types that training lacks; shuffle the reference, which ends ties."""
    order = np.random.default_rng(0).permutation(task.train_rows)
    return replace(task, train_rows=order, test_rows=task.test_rows[task.known])


def _kinds(task: Task) -> Kinds:
    numbers = [
        np.unique(np.asarray(task.cells.obs[key], dtype=str), return_inverse=True)[1]
        for key in (LABELS, BATCH)
    ]
    parts: list[NDArray[np.int64]] = [
        column[rows] for column in numbers for rows in (task.test_rows, task.train_rows)
    ]
    return Kinds(*parts)


def summarise(rows: list[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """Mean of each figure over the splits of a group, by group and method."""
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for group in dict.fromkeys(row["group"] for row in rows):
        own = [row for row in rows if row["group"] == group]
        summary[group] = {}
        for method in dict.fromkeys(row["method"] for row in own):
            mine = [row for row in own if row["method"] == method]
            figures = [name for name, value in mine[0].items() if isinstance(value, float)]
            summary[group][method] = {f: fmean(row[f] for row in mine) for f in figures}
    return summary


def table(summary: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Lay the means out as lines of Markdown tables, one a group."""
    columns = ("map_50", "map_100", "recall_cosine_centred", "recall_cosine", "batch_accuracy")
    lines = []
    for group, methods in summary.items():
        lines += [f"| {group} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for method, figures in methods.items():
            cells = " | ".join(f"{figures[c]:.4f}" if c in figures else "" for c in columns)
            lines.append(f"| {method} | {cells} |")
    return lines


def _line(row: Row) -> str:
    figures = " ".join(
        f"{name.removeprefix('recall_')} {value:.3f}"
        for name, value in row.items()
        if isinstance(value, float)
    )
    return f"{row['task']:18} {row['method']:28} {figures}"

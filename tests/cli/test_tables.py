"""Tables for people: names of types and files in brackets or colons are no markup."""

import numpy as np
import pandas as pd
import pytest

from atlash.cli.evaluation_tables import print_evaluation
from atlash.cli.tables import print_annotation, print_assigned, print_clusters, print_scores
from atlash.cli.training_tables import print_pretrained
from atlash.tl.answers import Answers
from atlash.tl.evaluation import evaluate_level
from atlash.tl.scores import score_labels

NAMES = ["T [naive]", "B [/x]", "NK [bold]", "immune:b:naive", "end\\"]


def rows(capsys):
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_labels_and_the_output_of_an_annotation(capsys, name):
    row = {"label": name, "cells": 3, "share": 1.0, "median_confidence": 0.9}
    summary = {
        "cells": 3,
        "labels": [row],
        "parents": [row],
        "parent_only": 0,
        "unassigned": {},
        "genes": {"shared": 1, "reference": 1, "weight_shared": 1.0},
        "scale": "counts",
        "seconds": 1.0,
        "cells_per_second": 3.0,
    }
    print_annotation(summary, f"out {name}.h5ad")
    shown = rows(capsys)
    assert shown.count(f"{name} 3 100.0% 0.90") == 2
    assert f"Written: out {name}.h5ad" in shown


def test_types_of_the_scores(capsys):
    names = pd.Series(NAMES)
    print_scores(score_labels(names, names, np.ones(len(NAMES), dtype=bool)))
    shown = rows(capsys)
    assert [name for name in NAMES if f"{name} 1 1.000 1.000 1.000" not in shown] == []


def test_types_of_an_evaluation(capsys):
    truth = np.array([*NAMES, "odd:x:[/b]", "odd:x:[/b]"], dtype=object)
    given = np.array([*NAMES[1:], NAMES[0], NAMES[3], NAMES[3]], dtype=object)
    answers = Answers(NAMES, given, *[None] * 5)
    print_evaluation(evaluate_level("kind", truth, answers))
    shown = rows(capsys)
    assert [name for name in NAMES if f"{name} 1 0.000 0.000 0.000 0.0%" not in shown] == []
    for name, taken in zip(NAMES[:4], given, strict=False):  # five pairs are shown
        assert f"{name} {taken} 1 100.0%" in shown
    assert f"odd:x:[/b] 2 0.0% {NAMES[3]} (2)" in shown


@pytest.mark.parametrize("name", NAMES)
def test_the_output_of_a_clustering(capsys, name):
    summary = {"clusters": [], "unassigned": 0, "n_clusters": 1, "cells": 60, "seconds": 1.0}
    summary |= {"integration": None, "n_before_joining": 2, "output": f"{name}.h5ad"}
    print_clusters(summary)
    assert f"Written: {name}.h5ad" in rows(capsys)
    print_assigned(summary)
    assert f"Written: {name}.h5ad" in rows(capsys)


def test_what_became_of_batches(capsys):
    mixed = {"before": {"ilisi": 0.1}, "after": {"ilisi": 0.456}, "kept_neighbours": 0.987}
    summary = {"clusters": [], "unassigned": 0, "n_clusters": 1, "cells": 60, "seconds": 1.0}
    print_clusters(summary | {"integration": mixed, "n_before_joining": 2, "output": "x"})
    told = " ".join(rows(capsys))
    assert "0.10 before, 0.46 after; 99% of the nearest in a cell's own batch" in told


@pytest.mark.parametrize("name", NAMES)
def test_files_and_genes_of_an_encoder(capsys, name):
    source = {"name": name, "n_cells": 5, "n_genes": 4, "n_genes_known": 3}
    print_pretrained(
        {
            "learned": {"finished": True, "n_steps": 1, "recent_loss": 0.5},
            "settings": {"n_steps": 1},
            "n_parameters": 7,
            "n_genes": 3,
            "example_gene": name,
            "genes_named_by": "other",
            "fingerprint": "0" * 64,
            "created": "today",
            "atlash_version": "0",
            "sources": [source | {"unknown_examples": [name]}],
        },
        f"model {name}",
    )
    shown = rows(capsys)
    assert f"Encoder model {name} (7 weights)" in shown
    assert f"Vocabulary 3 genes, named like {name} (other)" in shown
    assert f"{name} 5 4 3 {name}" in shown

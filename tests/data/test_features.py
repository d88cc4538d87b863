import numpy as np
import pandas as pd
import pytest

from atlash.data.features import gene_features


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("Gene Expression", True),
        ("Gene Activity", True),
        ("rna", True),
        ("protein_coding", True),
        ("lncRNA", True),
        ("Antibody Capture", False),
        ("ADT", False),
        ("HTO", False),
        ("protein", False),
        ("Peaks", False),
        ("CRISPR Guide Capture", False),
        ("Multiplexing Capture", False),
        ("Custom", False),
    ],
)
def test_feature_types(kind, kept):
    var = pd.DataFrame({"feature_types": ["Gene Expression", kind]}, index=["CD3E", "x"])
    var["feature_types"] = var["feature_types"].astype("category")
    np.testing.assert_array_equal(gene_features(var, "cells"), [True, kept])


def test_spike_ins_by_name_and_by_type():
    var = pd.DataFrame(index=["ERCC1", "ERCC-00002", "ERCC.00130", "CD3E"])
    np.testing.assert_array_equal(gene_features(var, "cells"), [True, False, False, True])
    var["feature_biotype"] = ["spike-in", "gene", "gene", "gene"]
    np.testing.assert_array_equal(gene_features(var, "cells"), [False, False, False, True])


def test_spike_ins_alone_are_kept():
    assert gene_features(pd.DataFrame(index=["ERCC-00002"]), "cells").all()

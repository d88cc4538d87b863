"""Messages of Python, as the command line spells them."""

import anndata as ad
import pytest

from atlash.cli.build import build
from atlash.cli.cluster import cluster
from atlash.cli.grow import register
from atlash.cli.messages import in_options, options_of
from atlash.cli.pretrain import pretrain

OPTIONS = {"overwrite": "--overwrite", "layer": "--layer", "gene_column": "--gene-column"}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("replace it with `overwrite=True`.", "replace it with --overwrite."),
        ("Drop `layer`.", "Drop --layer."),
        ("Try `layer='raw data'`.", "Try --layer 'raw data'."),
        ("Drop `gene_column` or `layer`.", "Drop --gene-column or --layer."),
        ("Give `scale`.", "Give `scale`."),
        ("`obs` of layer=1", "`obs` of layer=1"),
        ("\"layer = 'x'\" holds for no cell", "\"layer = 'x'\" holds for no cell"),
        ("", ""),
    ],
)
def test_arguments_become_options(message, told):
    assert in_options(message, OPTIONS) == told


@pytest.mark.parametrize(
    ("command", "message", "told"),
    [
        (cluster, "`random_state` is -1", "--seed is -1"),
        (cluster, "`n_genes` is 0", "--genes is 0"),
        (cluster, "`n_runs` is 0", "`n_runs` is 0"),
        (build, "`parents` names terms of a `hierarchy`", "--parent names terms of a --hierarchy"),
        (build, "`n_bits` and `n_threads`", "--bits and --threads"),
        (register, "Leave `parent` out", "Leave --parent out"),
        (pretrain, "`width` is 128 and `n_heads` is 3", "--width is 128 and --heads is 3"),
        (pretrain, "`n_genes`, `n_tokens`", "--genes, --tokens"),
        (pretrain, "`n_layers`, `n_steps`", "--layers, --steps"),
    ],
)
def test_options_that_python_calls_otherwise(command, message, told):
    assert in_options(message, options_of(command)) == told


def test_a_command_names_its_own_options(atlash, files, tmp_path):
    there = atlash(
        "build", files / "atlas.h5ad", "--labels-key", "cell_type", "-o", files / "small.atlash"
    )
    assert there.code == 1
    assert "replace it with --overwrite." in there.told
    twice = atlash("add", files / "small.atlash", files / "atlas.h5ad", "-q")
    assert twice.code == 1
    assert "--on-duplicate 'replace' (the new one) or --on-duplicate 'keep'" in twice.told
    few = atlash("search", files / "query.h5ad", "-r", files / "small.atlash", "--k", "0")
    assert few.told == "Error: --k is 0, but must be a whole number, at least 1."


def test_notes_name_options_too(atlash, files, tmp_path):
    cells = ad.read_h5ad(files / "query.h5ad")
    cells.obs["kind"] = cells.obs["cell_type"].astype(str).replace({"T cell": "T-cells"})
    cells.write_h5ad(tmp_path / "query.h5ad")
    outcome = atlash(
        "evaluate",
        tmp_path / "query.h5ad",
        "-r",
        files / "small.atlash",
        "--labels-key",
        "kind",
        "-q",
    )
    assert outcome.code == 0
    assert "map the names with --rename; now they count as different" in outcome.told


def test_few_common_genes_can_be_accepted(atlash, files, tmp_path):
    ad.read_h5ad(files / "query.h5ad")[:, :60].copy().write_h5ad(tmp_path / "query.h5ad")
    command = ("annotate", tmp_path / "query.h5ad", "-r", files / "small.atlash", "-q")
    refused = atlash(*command, "-o", tmp_path / "out.h5ad", "--min-shared", "0.99")
    assert refused.code == 1
    assert "lower --min-shared if" in refused.told
    done = atlash(*command, "-o", tmp_path / "out.h5ad", "--min-shared", "0.01")
    assert done.code == 0, done.err

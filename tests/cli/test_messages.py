"""Messages of Python, as the command line spells them."""

import pytest

from atlash.cli.messages import in_options

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

"""What importing costs: the floors hold, and heavy packages wait until they are needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "anndata", "h5py", "igraph", "lance", "matplotlib", "numba", "pyarrow", "safetensors",
    "scanpy", "scipy", "sklearn", "torch", "zarr",
}  # fmt: skip


def loaded_by(code):
    """Return the top names of the modules that a fresh interpreter loads for some code."""
    names = "sorted({name.split('.')[0] for name in sys.modules})"
    probe = f"{code}\nimport json, sys\nprint(json.dumps({names}))"
    found = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(found.stdout.splitlines()[-1]))


@pytest.mark.parametrize("code", ["import atlash", "import atlash.errors", "import atlash.keys"])
def test_importing_loads_nothing_heavy(code):
    assert not loaded_by(code) & HEAVY


def test_the_command_line_starts_without_anything_heavy():
    assert not loaded_by("import atlash.cli.app") & HEAVY


def test_annotating_needs_no_torch():
    """Only learning does, so a laptop annotates without loading it."""
    assert "torch" not in loaded_by("import atlash; atlash.tl.annotate; atlash.Reference.load")


def test_clustering_without_a_network_needs_no_torch():
    assert "torch" not in loaded_by("import atlash; atlash.HashClusterer; atlash.tl.cluster")


def test_importing_says_nothing_and_warns_of_nothing():
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import atlash; atlash.tl; atlash.pl"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert (found.stdout, found.stderr) == ("", "")


def test_the_floors_stand():
    """The contracts of import-linter, as written in pyproject.toml."""
    from importlinter.cli import lint_imports

    assert (ROOT / "pyproject.toml").is_file()
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        assert lint_imports(no_cache=True) == 0
    finally:
        os.chdir(before)


def test_the_types_are_shipped():
    import atlash

    assert (Path(atlash.__file__).parent / "py.typed").is_file()

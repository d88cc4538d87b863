"""CellTypist, which needs scikit-learn below 1.8 and so an environment of its own."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.outcome import NOTHING, Outcome
from benchmarks.places import CACHE, CHECKOUT
from benchmarks.tasks import LABELS, Task

REQUIREMENTS = ("celltypist>=1.7", "scikit-learn<1.8")
WORKER = CHECKOUT / "benchmarks" / "celltypist_worker.py"


def celltypist(task: Task) -> Outcome:
    """Train and predict as CellTypist's documentation says, without majority voting.

    Input is log1p of counts per 10,000 over all genes, with its two-pass feature selection.
    """
    with TemporaryDirectory(prefix="celltypist") as folder:
        paths = [Path(folder) / name for name in ("train.h5ad", "test.h5ad", "answer.npz")]
        train = task.train
        train.obs = train.obs[[LABELS]]
        train.write_h5ad(paths[0])
        task.test.write_h5ad(paths[1])
        run_worker("predict", *map(str, paths))
        with np.load(paths[2], allow_pickle=False) as answer:
            fit_seconds, predict_seconds = answer["seconds"].tolist()
            return Outcome(
                answer["labels"], answer["confidence"], NOTHING, fit_seconds, predict_seconds
            )


def run_worker(*arguments: str) -> None:
    """Run the worker in CellTypist's environment; its own messages appear only when it fails."""
    done = subprocess.run(
        [str(environment_python()), "-W", "ignore", str(WORKER), *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        msg = f"CellTypist's worker ended with status {done.returncode}:\n{done.stderr[-4000:]}"
        raise SystemExit(msg)


def environment_python() -> Path:
    """Python of CellTypist's environment, from ``ATLASH_CELLTYPIST_PYTHON`` or the cache."""
    given = os.environ.get("ATLASH_CELLTYPIST_PYTHON")
    python = Path(given) if given else CACHE / "celltypist-env" / "bin" / "python"
    if not python.exists():
        msg = (
            f"CellTypist's environment is missing: there is no {python}. Make one with "
            "`python -m benchmarks celltypist-env`, or set ATLASH_CELLTYPIST_PYTHON."
        )
        raise SystemExit(msg)
    return python


def environment_versions() -> dict[str, str]:
    """Versions in CellTypist's environment, for the record beside its figures."""
    names = ("celltypist", "scikit-learn", "scanpy", "numpy")
    code = f"from importlib.metadata import version; print(*map(version, {names}))"
    done = subprocess.run(
        [environment_python(), "-c", code], check=True, capture_output=True, text=True
    )
    return dict(zip(names, done.stdout.split(), strict=True))


def main(arguments: list[str]) -> None:
    """Create CellTypist's environment under ``benchmarks/.cache``; it needs no torch."""
    if arguments:
        msg = f"celltypist-env takes no arguments, and was given {arguments}."
        raise SystemExit(msg)
    folder = CACHE / "celltypist-env"
    venv.create(folder, with_pip=True, clear=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    print(python)

"""A process that saves references and is killed, starved of disk or raced meanwhile.

Run as ``python saver.py TASK FOLDER``. It forks its children itself, before Lance has started
any thread, so that hundreds of them cost one start of Python.
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

import lance  # noqa: F401 (imported before forking)
import numpy as np
import pandas as pd
import safetensors.numpy  # noqa: F401

from atlash.errors import OutputError
from atlash.reference.columns import cells_table
from atlash.reference.store import write


def content(which, n=50):
    """Return everything that a reference holds; ``which`` (an int) is in every part."""
    rng = np.random.default_rng(which)
    obs = pd.DataFrame({"which": np.full(n, which), "noise": rng.random(n)})
    codes = rng.integers(0, 256, (n, 8), dtype=np.uint8)
    return {
        "meta": {"which": which, "labels": ["B", "T"]},
        "arrays": {"weight": rng.random((4, 3)), "which": np.array(which)},
        "genes": pd.DataFrame({"id": ["CD3E", "MS4A1"], "which": which}),
        "anchors": pd.DataFrame({"label": ["B", "T"], "which": which}),
        "cells": cells_table([f"c{i}" for i in range(n)], codes, ["B"] * n, obs=obs),
    }


def in_child(work):
    """Run ``work`` in a fork; return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException as error:  # noqa: BLE001 (the fork must end here)
        sys.stderr.write(f"{error!r}\n")
        os._exit(1)
    os._exit(0)


def say(message):
    """Print one line of JSON, also from a fork."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def kill_at_every_step(folder, *, overwriting):
    """Kill one save before its 1st file operation, one before its 2nd, until one survives."""
    old = folder / "old.atlash"
    if overwriting:
        write_in_child(old, 0)
    for step in range(1, 1000):
        home = folder / f"{step:03}"
        home.mkdir()
        if overwriting:
            shutil.copytree(old, home / "pbmc.atlash")
        status = os.waitpid(in_child(lambda: save_until(home / "pbmc.atlash", step)), 0)[1]  # noqa: B023
        if status == 0:
            return
        assert os.WTERMSIG(status) == signal.SIGKILL, status


def save_until(path, step):
    seen = 0

    def count(event, _):
        nonlocal seen
        if event in {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}:
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    parts = content(1)
    sys.addaudithook(count)
    write(path, **parts, overwrite=True)


def write_in_child(path, which, n=50):
    assert os.waitpid(in_child(lambda: write(path, **content(which, n))), 0)[1] == 0


def kill_at_random(folder):
    """Kill savers that overwrite without pause, each after a random time."""
    draw = random.Random(0)
    write_in_child(folder / "old.atlash", 0, 20_000)
    parts = [content(0, 20_000), content(1, 20_000)]
    for run in range(15):
        path = folder / f"{run:03}" / "pbmc.atlash"
        shutil.copytree(folder / "old.atlash", path)
        child = in_child(lambda: overwrite_for_ever(path, parts))  # noqa: B023
        time.sleep(draw.uniform(0.0, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def overwrite_for_ever(path, parts):
    while True:
        for part in parts:
            write(path, **part, overwrite=True)


def starve(folder):
    """Overwrite under ever larger limits of the file size; print what each save says."""
    path = folder / "pbmc.atlash"
    write_in_child(path, 0, 20_000)
    for limit in (0, 100, 1000, 3000, 5000, 20_000, 100_000):
        for target in (path, folder / "new.atlash"):
            child = in_child(lambda: save_under(target, limit))  # noqa: B023
            assert os.waitpid(child, 0)[1] == 0


def save_under(path, limit):
    parts = content(1, 20_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        write(path, **parts, overwrite=True)
    except OutputError as error:
        say(str(error))


def race(folder):
    """Let three savers overwrite one reference at once."""
    path = folder / "pbmc.atlash"

    def save_often(which):
        for _ in range(15):
            write(path, **content(which, 2000), overwrite=True)

    children = [in_child(lambda: save_often(which)) for which in (1, 2, 3)]  # noqa: B023
    statuses = [os.waitpid(child, 0)[1] for child in children]
    assert statuses == [0, 0, 0], statuses


def without_rights(folder):
    """Save into a folder that the process may not write to."""

    def save():
        parts = content(1)
        if os.getuid() == 0:
            os.setuid(65_534)
        for path in (folder / "new.atlash", folder / "pbmc.atlash"):
            try:
                write(path, **parts, overwrite=True)
            except OutputError as error:
                say(str(error))

    assert os.waitpid(in_child(save), 0)[1] == 0


TASKS = {
    "new": lambda folder: kill_at_every_step(folder, overwriting=False),
    "overwrite": lambda folder: kill_at_every_step(folder, overwriting=True),
    "random": kill_at_random,
    "starve": starve,
    "race": race,
    "rights": without_rights,
}

if __name__ == "__main__":
    TASKS[sys.argv[1]](Path(sys.argv[2]))

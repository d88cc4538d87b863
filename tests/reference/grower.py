"""A process that grows references and is killed, starved of disk or raced meanwhile.

Run as ``python grower.py TASK FOLDER``. It forks its children itself, before Lance has started
any thread. Every version of its references tells of itself: ``meta["n"]`` is the number of
cells, and the column ``which`` holds the version that each cell came with.
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
from atlash.reference.cell_edits import MAX_SMALL
from atlash.reference.columns import cells_table
from atlash.reference.growth import Change, ConflictError, commit
from atlash.reference.store import read, write

EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


def cells(which, n=50):
    """Return ``n`` cells whose names begin with the number of their version."""
    rng = np.random.default_rng(which)
    obs = pd.DataFrame({"which": np.full(n, which), "place": np.arange(n)})
    obs["half"] = pd.Categorical(np.where(obs["place"] % 2, "odd", "even"))
    codes = rng.integers(0, 256, (n, 8), dtype=np.uint8)
    return cells_table([f"{which}-{i}" for i in range(n)], codes, ["B"] * n, obs=obs)


def start(path, n=50):
    """Save version 1."""
    write(
        path,
        meta={"n": n},
        arrays={"weight": np.zeros((4, 3)), "which": np.array(1)},
        genes=pd.DataFrame({"id": ["CD3E", "MS4A1"]}),
        anchors=pd.DataFrame({"label": ["B"], "which": 1}),
        cells=cells(1, n),
    )


def grow(path, base, n=50):
    """Commit version ``base + 1``: 7 cells leave, ``n`` come, arrays and anchors change."""
    stored = read(path, verify=False)
    which = base + 1
    there = stored.cells.n_rows
    change = Change(
        append=cells(which, n),
        delete=np.arange(0, 14, 2) + (there - 20),
        meta={"n": there - 7 + n},
        arrays={"weight": np.full((4, 3), which), "which": np.array(which)},
        anchors=pd.DataFrame({"label": ["B"], "which": which}),
    )
    return commit(path, change, base=base)


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


def finish(work):
    assert os.waitpid(in_child(work), 0)[1] == 0


def say(message):
    """Print one line of JSON, also from a fork."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def kill_at_every_step(folder):
    """Kill one commit before its 1st file operation, one before its 2nd, until one survives."""
    old = folder / "old.atlash"

    def prepare():
        start(old)
        grow(old, 1)

    finish(prepare)
    kill_copies_at_every_step(old, folder)


def kill_copies_at_every_step(old, folder):
    for step in range(1, 1000):
        path = folder / f"{step:03}.atlash"
        shutil.copytree(old, path)
        status = os.waitpid(in_child(lambda: grow_until(path, step)), 0)[1]  # noqa: B023
        if status == 0:
            return
        assert os.WTERMSIG(status) == signal.SIGKILL, status


def kill_again_at_every_step(folder):
    """Kill one commit when its files are there, then the commits after it at every step."""
    old = folder / "old.atlash"

    def prepare():
        start(old)
        grow(old, 1)

    def grow_until_published():
        def publishing(event, arguments):
            if event == "os.rename" and Path(arguments[0]).name == "manifest.json":
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(publishing)
        grow(old, 2)

    finish(prepare)
    os.waitpid(in_child(grow_until_published), 0)
    assert (old / ".growing").exists()
    kill_copies_at_every_step(old, folder)


def grow_until(path, step):
    seen = 0

    def count(event, _):
        nonlocal seen
        if event in EVENTS:
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    grow(path, 2)


def kill_at_random(folder):
    """Kill writers that grow one reference without pause, each after a random time.

    Times are shares of what one commit takes here and now, so that a busy machine sees as many.
    """
    draw = random.Random(0)
    path = folder / "pbmc.atlash"
    finish(lambda: start(path, 2000))
    began = time.perf_counter()
    finish(lambda: grow(path, 1, 2000))
    took = time.perf_counter() - began
    for _ in range(15):
        child = in_child(lambda: grow_for_ever(path))
        time.sleep(took * draw.uniform(0.1, 1.5))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        finish(lambda: say(read_whole(path)))


def grow_for_ever(path):
    while True:
        grow(path, read(path, verify=False).version, 2000)


def read_whole(path):
    """Verify the newest version; return its number, and what was left over by who was killed."""
    stored = read(path, verify=True)
    assert stored.meta["n"] == stored.cells.to_table().num_rows
    return stored.version, (path / ".growing").exists()


def starve(folder):
    """Grow under ever larger limits of the file size; print what each commit says."""
    path = folder / "pbmc.atlash"

    def prepare():
        start(path, 20_000)
        grow(path, 1, 20_000)

    finish(prepare)
    for limit in (0, 100, 500, 1000, 2000, 5000, 20_000, 100_000):
        finish(lambda: grow_under(path, limit))  # noqa: B023


def grow_under(path, limit):
    read(path).cells.to_table()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        grow(path, 2, 20_000)
    except OutputError as error:
        say(str(error))


def race(folder):
    """Let three writers grow one reference at once, each until it has added five times."""
    path = folder / "pbmc.atlash"
    finish(lambda: start(path))

    def grow_often():
        done = conflicts = 0
        while done < 5:
            try:
                grow(path, read(path, verify=False).version)
                done += 1
            except ConflictError:
                conflicts += 1
        say(conflicts)

    children = [in_child(grow_often) for _ in range(3)]
    statuses = [os.waitpid(child, 0)[1] for child in children]
    assert statuses == [0, 0, 0], statuses


def many(folder):
    """Grow until the small fragments were made one twice."""
    path = folder / "pbmc.atlash"

    def add():
        start(path)
        for base in range(1, 2 * MAX_SMALL + 4):
            commit(path, Change(append=cells(base + 1, 5)), base=base)

    finish(add)


TASKS = {
    "steps": kill_at_every_step,
    "again": kill_again_at_every_step,
    "random": kill_at_random,
    "starve": starve,
    "race": race,
    "many": many,
}

if __name__ == "__main__":
    TASKS[sys.argv[1]](Path(sys.argv[2]))

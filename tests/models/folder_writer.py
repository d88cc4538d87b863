"""A process that writes states of a model and is killed meanwhile: ``folder_writer.py PLACE``.

It forks its children itself, so that dozens of them cost one start of Python.
"""

import os
import resource
import shutil
import signal
import sys
from pathlib import Path

from atlash.errors import OutputError
from atlash.models.model_folder import commit


def state(which):
    """Return parts and facts of a state; ``which`` is in all of them."""
    names = ("weights", "moments", "vocabulary")
    return {name: f"{name} {which} ".encode() * 500 for name in names}, {"which": which}


def in_child(work):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        work()
    except BaseException as error:  # noqa: BLE001 (the fork must end here)
        sys.stderr.write(f"{error!r}\n")
        os._exit(1)
    os._exit(0)


def commit_until(folder, step):
    seen = 0

    def count(event, _):
        nonlocal seen
        if event in {"open", "os.mkdir", "os.rename", "os.remove"}:
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    parts, facts = state(1)
    sys.addaudithook(count)
    commit(folder, parts, facts)


def kill_at_every_step(place):
    """Kill one writer before its 1st file operation, one before its 2nd, until one survives."""
    old = place / "old"
    commit(old, *state(0))
    for step in range(1, 200):
        folder = place / f"{step:03}"
        shutil.copytree(old, folder)
        status = in_child(lambda: commit_until(folder, step))  # noqa: B023
        if status == 0:
            return
        assert os.WTERMSIG(status) == signal.SIGKILL, status


def starve(place):
    """Write under a limit of the file size; the message goes to standard output."""

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            commit(place / "starved", *state(1))
        except OutputError as error:
            sys.stdout.write(f"{error}\n")
            sys.stdout.flush()

    commit(place / "starved", *state(0))
    assert in_child(work) == 0


if __name__ == "__main__":
    kill_at_every_step(Path(sys.argv[1]))
    starve(Path(sys.argv[1]))

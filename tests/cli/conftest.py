"""The command as a user runs it: a process of its own, on files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def told(self):
        """Standard error on one line, as a message may be wrapped."""
        return " ".join(self.err.split())

    def fails(self, place, *words):
        """Assert that it ended with a message, and left the cells alone in their folder."""
        assert self.code == 1
        assert self.out == ""
        assert "Traceback" not in self.err
        for word in words:
            assert word in self.told
        assert sorted(path.name for path in place.iterdir()) == ["in.h5ad"]


@pytest.fixture(scope="session")
def atlash():
    """Run ``atlash``; files that grow beyond a ``limit`` of bytes meet an error."""

    def run(*arguments, limit=None):
        command = [Path(sys.executable).with_name("atlash"), *map(str, arguments)]
        if limit is not None:  # by a shell: Lance warns when Python forks
            command = ["sh", "-c", f'ulimit -f {limit // 1024}; exec "$0" "$@"', *command]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=os.environ | {"COLUMNS": "120"},
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def files(tmp_path_factory, atlas_counts, fresh_counts, reference):
    """A folder with labelled cells, a query and a saved reference; not to be changed."""
    place = tmp_path_factory.mktemp("files")
    atlas_counts.write_h5ad(place / "atlas.h5ad")
    fresh_counts.write_h5ad(place / "query.h5ad")
    replace(reference).save(place / "small.atlash")
    return place

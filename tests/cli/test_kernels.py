"""Where kernels are kept if the usual folders cannot be written."""

import os
from pathlib import Path

import pytest

from atlash.cli import kernels


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Usual folders that cannot be made, as they lie below a file."""
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "cache"
    monkeypatch.setattr(kernels, "usual_folders", lambda: (below, below))
    monkeypatch.delenv(kernels.VARIABLE, raising=False)


@pytest.mark.parametrize(("name", "writable"), [("", True), ("new/er", True), ("file/new", False)])
def test_folders_that_can_be_written_or_made(tmp_path, name, writable):
    (tmp_path / "file").touch()
    assert kernels.is_writable(tmp_path / name) is writable
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("nowhere")
def test_a_folder_of_this_process_alone_is_made_and_the_remedy_told(capsys):
    kernels.provide_cache()
    folder = Path(os.environ.pop(kernels.VARIABLE))
    assert folder.stat().st_mode & 0o077 == 0
    assert "Set NUMBA_CACHE_DIR to a folder" in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("nowhere")
def test_a_folder_that_is_named_is_kept(monkeypatch, capsys):
    monkeypatch.setenv(kernels.VARIABLE, "mine")
    kernels.provide_cache()
    assert os.environ[kernels.VARIABLE] == "mine"
    assert capsys.readouterr().err == ""


def test_usual_folders_are_used_where_they_can_be(tmp_path, monkeypatch):
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernels.usual_folders()[1] == tmp_path
    kernels.provide_cache()
    assert kernels.VARIABLE not in os.environ


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    def home():
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", home)
    assert [folder.name for folder in kernels.usual_folders()] == ["__pycache__"]

"""The command's frame: help, version and exit codes."""

import sys

import pytest
import typer

from atlash.cli import app
from atlash.errors import InputError

COMMANDS = [
    "build", "annotate", "evaluate", "search", "cluster", "add", "register", "remove", "merge",
    "audit", "info", "demo",
]  # fmt: skip


def test_help_lists_the_commands(atlash):
    found = atlash("--help")
    assert found.code == 0
    assert found.err == ""
    for command in COMMANDS:
        assert command in found.out


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("build", ["--labels-key", "--batch-key", "--layer", "--gene-column", "--device", "--seed",
                   "--threads", "--overwrite", "--json", "--bits", "--scale", "--output"]),
        ("annotate", ["--reference", "--output", "--layer", "--gene-column", "--force", "--vote",
                      "--threads", "--json", "--key-added", "--min-confidence", "--scale",
                      "--method"]),
        ("cluster", ["--batch-key", "--n-clusters", "--resolution", "--save", "--layer", "--seed",
                     "--gene-column", "--scale", "--key-added", "--threads", "--json", "--quiet"]),
        ("evaluate", ["--reference", "--labels-key", "--out", "--rename", "--key-added", "--layer",
                      "--gene-column", "--scale", "--method", "--threads", "--json", "--quiet"]),
        ("register", ["--name", "--parent", "--layer", "--gene-column", "--json"]),
        ("info", ["--verify", "--json"]),
        ("demo", ["--out", "--seed"]),
    ],
)  # fmt: skip
def test_each_command_explains_its_options(atlash, command, options):
    found = atlash(command, "--help")
    assert found.code == 0
    assert [option for option in options if option not in found.out] == []


def test_the_version(atlash):
    import atlash as package

    assert atlash("--version").out == f"atlash {package.__version__}\n"


@pytest.mark.parametrize(
    ("end", "code", "told"),
    [
        (KeyboardInterrupt, 130, "Interrupted; no file was left half-written.\n"),
        (typer.Exit(130), 130, ""),  # as of pre-training, which has told it
        (typer.Exit(0), 0, ""),
        (InputError("Bad."), 1, "Error: Bad.\n"),
    ],
    ids=["Ctrl-C", "told before", "done", "error"],
)
def test_how_a_command_ends(monkeypatch, capsys, end, code, told):
    def stopped():
        raise end

    stand_in = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    stand_in.command()(stopped)
    monkeypatch.setattr(app, "app", stand_in)
    monkeypatch.setattr(sys, "argv", ["atlash"])
    with pytest.raises(SystemExit) as caught:
        app.main()
    assert (caught.value.code, capsys.readouterr().err) == (code, told)


@pytest.mark.parametrize(
    "arguments",
    [
        ["unknown"],
        ["annotate"],
        ["evaluate", "q.h5ad", "-r", "r"],
        ["info"],
        ["build", "cells.h5ad"],
        ["annotate", "q.h5ad", "-r", "r", "-o", "o.h5ad", "--threads", "0"],
        ["cluster", "q.h5ad"],
        ["cluster", "q.h5ad", "o.h5ad", "--n-clusters", "0"],
        ["cluster", "q.h5ad", "o.h5ad", "--n-clusters", "many"],
        ["annotate", "q.h5ad", "-r", "r", "-o", "o.h5ad", "--min-confidence", "2"],
        ["annotate", "q.h5ad", "-r", "r", "-o", "o.h5ad", "--method", "anchor"],
        ["annotate", "q.h5ad", "-r", "r", "-o", "o.h5ad", "--scale", "log7"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_2(atlash, arguments):
    found = atlash(*arguments)
    assert found.code == 2
    assert found.out == ""
    assert "Usage" in found.err
    assert "Traceback" not in found.err

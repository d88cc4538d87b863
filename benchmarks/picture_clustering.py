"""The picture of seconds and memory against the number of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

SIZE = (7.6, 3.4)
"""Inches."""


class Line(NamedTuple):
    """How a method is drawn: column of its figure, name, colour and style."""

    method: str
    figure: str
    name: str
    colour: str
    style: str


OURS, PEER, LEAN = "#0072b2", "#d55e00", "#009e73"
TIMES = (
    Line("atlash", "seconds_in_all", "atlash, all of it", OURS, "-"),
    Line("scanpy", "seconds", "scanpy: PCA, neighbours, Leiden", PEER, "-"),
    Line("scanpy", "seconds_in_all", "scanpy, all of it", PEER, ":"),
    Line("scanpy-eigh", "seconds", "PCA by covariance_eigh, neighbours, Leiden", LEAN, "-"),
    Line("scanpy-eigh", "seconds_in_all", "with covariance_eigh, all of it", LEAN, ":"),
)
PEAKS = (
    Line("atlash", "peak_gb", "atlash", OURS, "-"),
    Line("scanpy", "peak_gb", "scanpy", PEER, "-"),
    Line("scanpy-eigh", "peak_gb", "scanpy, covariance_eigh", LEAN, "-"),
)


def draw_scale(result: dict[str, Any], path: Path) -> None:
    """Draw seconds and peak memory against cells, both axes logarithmic, as SVG.

    The same result gives the same bytes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings = {"svg.hashsalt": path.stem, "svg.fonttype": "none", "font.size": 9}
    with rc_context(settings):
        figure = Figure(figsize=SIZE, layout="constrained")
        left, right = figure.subplots(1, 2)
        _plot(left, result["runs"], TIMES, "seconds")
        _slope(left, result["runs"])
        left.legend(frameon=False, fontsize=8, loc="upper left")
        _plot(right, result["runs"], PEAKS, "peak memory, GB")
        right.legend(frameon=False, fontsize=8, loc="upper left")
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".part")
        figure.savefig(scratch, format="svg", metadata={"Date": None})
    scratch.replace(path)


def _plot(axes: Axes, rows: list[dict[str, Any]], lines: tuple[Line, ...], unit: str) -> None:
    for line in lines:
        own = sorted((r["n_cells"], r[line.figure]) for r in rows if r["method"] == line.method)
        if own:
            cells, values = zip(*own, strict=True)
            axes.plot(
                cells, values, line.style, color=line.colour, marker="o", ms=4, label=line.name
            )
    axes.set(xscale="log", yscale="log", xlabel="cells", ylabel=unit)
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom / 1.5, top * 1.9 ** len(lines))  # room for the legend
    axes.grid(which="major", color="0.9", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _slope(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw the line on which twice the cells take twice the time, from atlash's largest size."""
    own = sorted((r["n_cells"], r["seconds_in_all"]) for r in rows if r["method"] == "atlash")
    if len(own) > 1:
        cells, seconds = own[-1]
        least = own[0][0]
        axes.plot(
            (least, cells), (seconds * least / cells, seconds), "--", color="0.6", lw=1,
            label="in proportion to cells", zorder=0,
        )  # fmt: skip

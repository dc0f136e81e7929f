"""A picture of all results: build/bench/results.svg. Needs the dependency group `bench`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

Result = dict[str, Any]
COLOURS = {"real": "#1b6ca8", "fake": "#e07a1f"}
WIDTH, LINE, LEAST = 13.0, 0.3, 2.0


def draw(results: list[Result], file: Path) -> None:
    """One panel for the loads, one for latencies, one for the operator's CPU, one for calls."""
    panels: tuple[tuple[str, Callable[[Axes, list[Result]], None]], ...] = (
        ("families a second (bare loop: hatched)", _rates),
        ("seconds, p50 | p99", _latencies),
        ("operator CPU, ms a family", _single("operator_cpu_ms_per_family")),
        ("memory of the operator, MB", _single("rss_mb")),
    )
    height = 2 * max(LEAST, LINE * len(results)) + 1.5
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, height), layout="constrained")
    for axis, (title, panel) in zip(axes.flat, panels, strict=True):
        panel(axis, results)
        axis.set_title(title, fontsize=10, loc="left")
        axis.tick_params(labelsize=8)
        axis.invert_yaxis()
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    figure.suptitle(
        "W1 create · W3 edit a tenth · W4 delete · W5 edits in a replay · W6 poison · W7 Kafka away", fontsize=9
    )
    figure.savefig(file)
    plt.close(figure)


def _rates(axis: Axes, results: list[Result]) -> None:
    shown = [one for one in results if one["families_per_s"]]
    _bars(axis, shown, [one["families_per_s"] for one in shown])
    for place, one in enumerate(shown):
        if one.get("bare_families_per_s"):
            axis.barh(place, one["bare_families_per_s"], height=0.8, fill=False, hatch="///", edgecolor="#888", lw=0.5)


def _latencies(axis: Axes, results: list[Result]) -> None:
    shown = [one for one in results if one["p99_s"] is not None]
    _bars(axis, shown, [one["p99_s"] for one in shown])
    for place, one in enumerate(shown):
        axis.plot([one["p50_s"]] * 2, [place - 0.35, place + 0.35], color="black", lw=2)


def _single(name: str) -> Callable[[Axes, list[Result]], None]:
    def panel(axis: Axes, results: list[Result]) -> None:
        shown = [one for one in results if one[name] is not None]
        _bars(axis, shown, [one[name] for one in shown])

    return panel


def _bars(axis: Axes, shown: list[Result], values: list[float]) -> None:
    drawn = axis.barh([one["name"] for one in shown], values, color=[COLOURS[one["target"]] for one in shown])
    axis.bar_label(drawn, labels=[f"{value:g}" for value in values], fontsize=7, padding=3)

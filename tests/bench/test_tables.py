"""What the benchmark's figures mean, on numbers that can be reckoned by hand."""

from typing import Any

import pytest
from rich.console import Console

from bench.unlearning.compare import NOTHING, ORACLE, Row
from bench.unlearning.measures import Measures
from bench.unlearning.tables import closed, cost_ratio, show, together
from bench.unlearning.training import Cost

TRUTH = Measures(train_r=93.0, train_f=90.0, test=90.5, asr=45.0, memorisation_gap=0.5)


def row(
    method: str,
    memorisation_gap: float,
    *,
    seed: int = 0,
    train_f: float = 90.0,
    cpu: float = 30.0,
    **more: Any,
) -> Row:
    measures = Measures(93.5, train_f, 90.0, 46.0, memorisation_gap)
    return Row(
        task="data-removal",
        seed=seed,
        method=method,
        measures=measures,
        gaps=measures.gaps(TRUTH),
        cost=Cost(seconds=50.0, cpu_seconds=cpu),
        oracle_cost=Cost(seconds=100.0, cpu_seconds=200.0),
        oracle_cached=True,
        peak_mib=None,
        audit=None,
        audit_cost=None,
        requests=[],
        view=None,
        device="cpu",
        **more,
    )


def test_the_mean_gap_is_over_the_four_columns_of_the_paper() -> None:
    gaps = row("auto", 2.5, train_f=94.0).gaps
    assert gaps["mean"] == pytest.approx((0.5 + 4.0 + 0.5 + 1.0) / 4)
    assert gaps["memorisation_gap"] == 2.0


def test_what_is_closed_is_the_share_of_the_way_to_the_oracle() -> None:
    nothing = [row(NOTHING, 3.5), row(NOTHING, 2.5, seed=1)]
    assert closed([row("auto", 0.75), row("auto", 1.25, seed=1)], nothing) == 0.8
    assert closed(nothing, nothing) == 0.0
    # Past the oracle is as far from it as before it.
    assert closed([row("auto", -0.5)], [row(NOTHING, 2.5)]) == 0.5
    assert closed([row("auto", 4.5)], [row(NOTHING, 2.5)]) == -1.0
    # Where nothing was learnt by heart there is no way to go.
    assert closed([row("auto", 0.5)], [row(NOTHING, 0.9)]) is None


def test_costs_are_compared_in_processor_seconds_without_a_gpu() -> None:
    assert cost_ratio(row("auto", 1.0)) == 0.15


def test_of_several_files_each_row_counts_once() -> None:
    rows = [row(NOTHING, 2.5), row("auto", 1.0), row(NOTHING, 2.5), row("auto", 1.0, seed=1)]
    assert [(found.method, found.seed) for found in together(rows)] == [
        (NOTHING, 0),
        ("auto", 0),
        ("auto", 1),
    ]


def test_that_an_oracles_seconds_are_of_another_run_is_said() -> None:
    console = Console(width=200, record=True)
    show([row(NOTHING, 2.5), row(ORACLE, 0.5), row("auto", 1.0)], console)
    text = console.export_text()
    assert "An oracle was trained in an earlier run" in text
    assert "75 %" in text
    assert "0.150" in text


def printed(rows: list[Row]) -> str:
    console = Console(width=200, record=True)
    show(rows, console)
    return console.export_text()


def test_sizes_of_a_task_stand_in_one_table_and_are_held_to_their_own_nothing() -> None:
    small = [row(NOTHING, 8.5, rows=1000), row("auto", 4.5, rows=1000)]
    large = [row(NOTHING, 2.5), row("auto", 1.5)]

    text = printed(small + large)

    assert text.count("means over 1 seed(s)") == 1
    # (4.5 - 0.5) / (8.5 - 0.5) are left of one way, and (1.5 - 0.5) / (2.5 - 0.5) of the other.
    assert [line.split()[1] for line in text.splitlines() if " 50 % " in line] == ["1000", "all"]
    assert together(small + large) == small + large


def test_two_builds_are_compared_size_by_size() -> None:
    rows = [
        found
        for size, old in ((1000, 40.0), (None, 120.0))
        for found in (
            row(NOTHING, 2.5, rows=size),
            row("auto", 1.0, rows=size),
            row("auto @abc1234", 1.0, rows=size, build="abc1234", cpu=old),
        )
    ]

    text = printed(rows)

    ratios = [line.split()[-2] for line in text.splitlines() if " abc1234 │" in line]
    assert ratios == ["0.75", "0.25"]
    assert "commit it is held against" not in printed([row(NOTHING, 2.5), row("auto", 1.0)])

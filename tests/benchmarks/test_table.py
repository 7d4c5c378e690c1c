"""The comparison's numbers and its Markdown, on answers whose errors are known."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.comparison.answers import STATIC, Answer, Seconds
from benchmarks.comparison.draws import Draw
from benchmarks.comparison.ours import PREQUENTIAL
from benchmarks.comparison.table import (
    Entry,
    Kind,
    Line,
    describe_lines,
    find_best_peer,
    rank_entries,
    render_draws,
    render_lines,
)
from components.params import Evaluate, load_params

USERS, ROWS = 8, 40


@pytest.fixture(scope="module")
def evaluate() -> Evaluate:
    return load_params(Path(__file__).parents[2] / "params.yaml").evaluate


@pytest.fixture(scope="module")
def draws() -> list[Draw]:
    test = pd.DataFrame(
        {
            "user_id": [f"u{row % USERS}" for row in range(ROWS)],
            "rating": np.tile([3.0, 4.0], ROWS // 2),
        }
    )
    return [Draw("random", number, test.iloc[:0], test) for number in range(2)]


def make_entry(draws: list[Draw], label: str, kind: Kind, off: list[float], **more: float) -> Entry:
    """An entry wrong by `off[draw]` at every row, in both directions by turns."""
    sign_N = np.where(np.arange(ROWS) % 4 < 2, 1, -1)

    def answer(draw: Draw) -> Answer:
        truth_N = draw.test["rating"].to_numpy()
        rated = {STATIC: off[draw.number], **more}
        predicted = {name: np.float32(truth_N + by * sign_N) for name, by in rated.items()}
        return Answer(predicted, Seconds(4.0, 2.0), Seconds(0.2, 0.1), {"epochs": 3})

    return Entry(label, kind, tuple((answer(draw),) for draw in draws))


@pytest.fixture(scope="module")
def entries(draws: list[Draw]) -> list[Entry]:
    return [
        make_entry(draws, "user mean", "reference", [0.9, 0.9]),
        make_entry(draws, "worse peer", "peer", [0.8, 0.8]),
        make_entry(draws, "better peer", "peer", [0.7, 0.5]),
        make_entry(draws, "Beholder hybrid", "ours", [0.4, 0.2], prequential=0.1),
    ]


def rank(
    draws: list[Draw], entries: list[Entry], evaluate: Evaluate, situation: str = STATIC
) -> list[Line]:
    return rank_entries(draws, entries, situation, find_best_peer(draws, entries), evaluate)


def test_the_best_peer_is_the_best_of_the_peers_alone(
    draws: list[Draw], entries: list[Entry]
) -> None:
    assert find_best_peer(draws, entries) == "better peer"
    assert find_best_peer(draws, [entries[0], entries[3]]) is None


def test_the_rmse_is_the_mean_over_draws_and_the_best_comes_first(
    draws: list[Draw], entries: list[Entry], evaluate: Evaluate
) -> None:
    lines = rank(draws, entries, evaluate)
    assert [line.entry.label for line in lines] == [
        *("Beholder hybrid", "better peer", "worse peer", "user mean")
    ]
    assert [line.rmse for line in lines] == pytest.approx([0.3, 0.6, 0.8, 0.9], abs=1e-6)
    assert lines[0].rmse_by_draw == pytest.approx([0.4, 0.2], abs=1e-6)


def test_gains_are_against_the_best_peer_who_has_none_itself(
    draws: list[Draw], entries: list[Entry], evaluate: Evaluate
) -> None:
    gains = {line.entry.label: line.standing.gain for line in rank(draws, entries, evaluate)}
    assert gains["better peer"] is None
    assert gains["Beholder hybrid"] is not None
    assert gains["Beholder hybrid"].high < 0 < gains["worse peer"].low


def test_where_peers_are_not_asked_ours_stand_against_their_static_ratings(
    draws: list[Draw], entries: list[Entry], evaluate: Evaluate
) -> None:
    [line] = rank(draws, entries, evaluate, PREQUENTIAL)
    assert line.rmse == pytest.approx(0.1, abs=1e-6)
    assert line.standing.rival == "better peer"
    assert line.standing.gain.value == pytest.approx(0.1 - np.sqrt((0.49 + 0.25) / 2), abs=1e-6)


def test_without_peers_the_rival_is_the_best_of_the_others(
    draws: list[Draw], entries: list[Entry], evaluate: Evaluate
) -> None:
    lines = rank(draws, [entries[0], entries[3]], evaluate)
    assert lines[1].standing.rival == "Beholder hybrid"


def test_the_markdown_has_a_cell_for_every_column(
    draws: list[Draw], entries: list[Entry], evaluate: Evaluate
) -> None:
    lines = rank(draws, entries, evaluate)
    for text in (render_lines(lines, "better peer", 0.5, "processor"), render_draws(draws, lines)):
        rows = text.splitlines()
        assert len(rows) == 2 + len(lines)
        assert len({row.count("|") for row in rows}) == 1


def test_ours_is_bold_with_its_seconds_in_the_chosen_clock_and_its_ratio(
    draws: list[Draw], entries: list[Entry], evaluate: Evaluate
) -> None:
    lines = rank(draws, entries, evaluate)
    by_processor = render_lines(lines, "better peer", 0.5, "processor").splitlines()[2]
    by_clock = render_lines(lines, None, None, "wall").splitlines()[2]
    assert by_processor.startswith("| **Beholder hybrid** | 0.3000 |")
    assert by_processor.endswith("| 2.0 | 0.1 | 4.00 |")
    assert by_clock.endswith("| 4.0 | 0.2 | – |")


def test_a_situation_that_nobody_was_asked_in_has_no_lines(
    draws: list[Draw], entries: list[Entry], evaluate: Evaluate
) -> None:
    assert rank(draws, entries, evaluate, "in session") == []


def test_a_reference_has_no_seconds(
    draws: list[Draw], entries: list[Entry], evaluate: Evaluate
) -> None:
    last = render_lines(rank(draws, entries, evaluate), None, 0.5, "processor").splitlines()[-1]
    assert last.startswith("| user mean | 0.9000 |")
    assert last.endswith("| – | – | – |")


def test_the_numbers_are_json_with_every_run(
    draws: list[Draw], entries: list[Entry], evaluate: Evaluate
) -> None:
    described = json.loads(
        json.dumps(describe_lines(rank(draws, entries, evaluate)), allow_nan=False)
    )
    assert described[0]["model"] == "Beholder hybrid"
    assert described[0]["pooled"]["gain"]["high"] < 0
    assert [len(of) for of in described[0]["runs"]] == [1, 1]
    assert described[0]["runs"][0][0]["seconds"]["train"] == {"wall": 4.0, "processor": 2.0}

from pathlib import Path

import pytest

from components.tuning.spaces import Range, Space, Values
from components.tuning.study import Attempt, Study, Tried, find_best, find_values

SPACE: Space = {
    "rate": Range(1e-4, 1e-1, "log"),
    "factors": Range(4, 64, "integer"),
    "dropout": Range(0, 0.9, "linear"),
}
PRESENT: Values = {"rate": 0.0123456, "factors": 32, "dropout": 0.5}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tuning/study.jsonl"


def open_study(path: Path) -> Study:
    return Study(path, SPACE, seed=3, unjudged_epochs=2)


def rmse_of(values: Values) -> float:
    return abs(values["rate"] - 0.02) + abs(values["factors"] - 16) / 100 + values["dropout"]


def finish(attempt: Attempt) -> Values:
    attempt.complete(rmse_of(attempt.values), 7, 1.5)
    return attempt.values


def run(path: Path, until: int) -> list[Values]:
    study = open_study(path)
    study.resume(PRESENT)
    while len(study.tried()) < until:
        finish(study.begin())
    return [tried.values for tried in study.tried()]


def test_present_values_come_first_and_exactly_as_they_stand(path: Path):
    study = open_study(path)
    study.resume(PRESENT)
    attempt = study.begin()
    assert attempt.is_present
    assert attempt.values == PRESENT
    finish(attempt)
    assert study.tried() == [Tried(0, PRESENT, "complete", rmse_of(PRESENT), 7, 1.5)]


def test_suggestions_are_rounded_as_they_would_be_written(path: Path):
    for values in run(path, 15)[1:]:
        assert values["rate"] == float(f"{values['rate']:.3g}")
        assert isinstance(values["factors"], int)
        assert all(SPACE[name].holds(value) for name, value in values.items())


def test_search_gets_better_than_its_random_beginning(path: Path):
    results = [rmse_of(values) for values in run(path, 40)]
    assert min(results[10:]) < min(results[:10])


def test_killed_search_comes_to_the_same_trials(path: Path, tmp_path: Path):
    whole = run(tmp_path / "whole.jsonl", 16)
    for until in (3, 11):
        run(path, until)
        open_study(path).begin()  # and then nothing: its process was killed
    assert run(path, 16) == whole


def test_trial_that_was_cut_off_is_begun_again_and_is_no_result(path: Path):
    run(path, 4)
    values = open_study(path).begin().values
    study = open_study(path)
    study.resume(PRESENT)
    assert len(study.tried()) == 4
    assert study.begin().values == values


def test_resuming_twice_begins_a_cut_off_trial_once(path: Path):
    run(path, 4)
    values = open_study(path).begin().values
    for _ in range(2):
        study = open_study(path)
        study.resume(PRESENT)
    assert finish(study.begin()) == values
    assert finish(study.begin()) != values


def test_present_values_that_were_cut_off_are_tried_as_the_present_ones(path: Path):
    study = open_study(path)
    study.resume(PRESENT)
    study.begin()
    study = open_study(path)
    study.resume(PRESENT)
    attempt = study.begin()
    assert (attempt.values, attempt.is_present) == (PRESENT, True)
    finish(attempt)
    assert finish(study.begin()) != PRESENT


def test_other_present_values_are_tried_next(path: Path):
    run(path, 4)
    other = {**PRESENT, "factors": 5}
    study = open_study(path)
    study.resume(other)
    assert finish(study.begin()) == other
    study.resume(other)
    assert finish(study.begin()) != other


def test_line_cut_short_by_a_kill_is_cut_off(path: Path):
    before = run(path, 5)
    with path.open("ab") as file:
        file.write(b'{"op_code":6,"wor')
    assert run(path, 5) == before
    assert len(run(path, 8)) == 8


def test_trial_worse_than_most_is_hopeless_after_the_first_epochs_but_never_the_present_one(
    path: Path,
):
    study = open_study(path)
    study.resume(PRESENT)
    present = study.begin()
    assert not any(present.is_hopeless(epoch, 9.0) for epoch in range(1, 9))
    present.complete(9.0, 8, 1.0)
    for _ in range(6):
        attempt = study.begin()
        assert not any(attempt.is_hopeless(epoch, 1.0) for epoch in range(1, 9))
        attempt.complete(1.0, 8, 1.0)
    attempt = study.begin()
    assert [attempt.is_hopeless(epoch, 2.0) for epoch in (1, 2)] == [False, True]
    attempt.prune(0.5)
    pruned = study.tried()[-1]
    assert (pruned.outcome, pruned.rmse, pruned.seconds) == ("pruned", None, 0.5)


def test_diverged_trial_is_kept_without_a_result(path: Path):
    study = open_study(path)
    study.resume(PRESENT)
    study.begin().diverge(0.1)
    finish(study.begin())
    diverged, complete = study.tried()
    assert (diverged.outcome, diverged.rmse) == ("diverged", None)
    assert find_best(study.tried()) == complete


def tried(number: int, rmse: float | None) -> Tried:
    outcome = "complete" if rmse is not None else "pruned"
    return Tried(number, {"factors": number}, outcome, rmse, 1, 1.0)


def test_best_is_the_lowest_and_of_equals_the_earliest():
    best = find_best([tried(0, 0.9), tried(1, None), tried(2, 0.8), tried(3, 0.8)])
    assert best is not None
    assert best.number == 2
    assert find_best([tried(0, None)]) is None


def test_values_are_found_or_not():
    trials = [tried(0, 0.9), tried(1, 0.8)]
    assert find_values(trials, {"factors": 1}) == trials[1]
    assert find_values(trials, {"factors": 2}) is None

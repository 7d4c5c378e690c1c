from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import DataError, TrainingError
from components.tuning.search import Fitted, Hear, Limits, search
from components.tuning.spaces import Range, Space, Values
from components.tuning.study import Study, Tried

SPACE: Space = {"prior": Range(0.1, 100, "log")}
PRESENT: Values = {"prior": 5.0}
HOUR = 3600.0


@pytest.fixture
def reopen(tmp_path: Path) -> Callable[[], Study]:
    return lambda: Study(tmp_path / "study.jsonl", SPACE, seed=0, unjudged_epochs=1)


def fit(values: Values, hear: Hear) -> Fitted:
    for epoch in range(1, 4):
        hear(epoch, values["prior"] + 1 / epoch)
    return Fitted(values["prior"], 3)


def run(study: Study, limits: Limits, fit=fit, present: Values = PRESENT) -> list[Tried]:
    heard: list[Tried] = []
    search(study, present, fit, limits, heard.append)
    return heard


def test_search_ends_at_so_many_trials_and_tells_of_each(reopen):
    study = reopen()
    heard = run(study, Limits(8, HOUR))
    assert heard == study.tried()
    assert len(heard) == 8
    assert heard[0].values == PRESENT


def test_second_search_adds_what_is_missing(reopen):
    run(reopen(), Limits(5, HOUR))
    assert [trial.number for trial in run(reopen(), Limits(8, HOUR))] == [5, 6, 7]
    assert run(reopen(), Limits(8, HOUR)) == []


def test_without_time_the_present_values_are_tried_all_the_same(reopen):
    assert [trial.values for trial in run(reopen(), Limits(8, 0))] == [PRESENT]
    assert run(reopen(), Limits(8, 0)) == []


def test_new_present_values_are_tried_though_there_are_trials_enough(reopen):
    run(reopen(), Limits(5, HOUR))
    other = {"prior": 3.25}
    assert [trial.values for trial in run(reopen(), Limits(5, 0), present=other)] == [other]


def test_trial_that_the_time_cuts_off_is_the_next_search_s_first(reopen, monkeypatch):
    cut: list[Values] = []

    def slow(values: Values, hear: Hear) -> Fitted:
        if values != PRESENT:
            cut.append(values)
            monkeypatch.setattr("components.tuning.search.time.monotonic", lambda: 1e12)
        return fit(values, hear)

    study = reopen()
    assert [trial.values for trial in run(study, Limits(8, HOUR), slow)] == [PRESENT]
    monkeypatch.undo()
    study = reopen()
    assert run(study, Limits(2, HOUR))[0].values == cut[0]


def test_hopeless_trials_are_ended_early(reopen):
    heard = run(reopen(), Limits(25, HOUR))
    pruned = [trial for trial in heard if trial.outcome == "pruned"]
    assert pruned
    assert min(trial.values["prior"] for trial in pruned) > min(
        trial.values["prior"] for trial in heard
    )


def test_diverging_trial_is_no_end(reopen):
    def diverge(values: Values, hear: Hear) -> Fitted:
        if values["prior"] < 1:
            raise TrainingError("the loss is nan")
        return fit(values, hear)

    outcomes = {trial.outcome for trial in run(reopen(), Limits(20, HOUR), diverge)}
    assert {"complete", "diverged"} <= outcomes


def test_result_that_is_no_number_counts_as_diverged(reopen):
    def lose(values: Values, hear: Hear) -> Fitted:
        return Fitted(float("nan"), 1)

    assert [trial.outcome for trial in run(reopen(), Limits(2, HOUR), lose)] == ["diverged"] * 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError])
def test_anything_else_ends_the_search_and_leaves_the_trial_for_the_next(reopen, error):
    def fail(values: Values, hear: Hear) -> Fitted:
        if values != PRESENT:
            raise error
        return fit(values, hear)

    with pytest.raises(error):
        run(reopen(), Limits(8, HOUR), fail)
    assert len(reopen().tried()) == 1
    assert len(run(reopen(), Limits(8, HOUR))) == 7

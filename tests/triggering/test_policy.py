from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.params import Triggers
from components.triggering.policy import Asked, Go, Past, Situation, Skip, decide

NOW = 1_000_000.0
HOUR = 3_600.0
POLICY = Triggers(min_new_rows=10, pause_minutes=30, max_runs_a_day=3, max_hours_a_day=2)
STATE = Situation(
    now=NOW, data_version="d2", params="p", has_data=True, is_changed=False, new_ratings=50
)


def asked(*kinds: str) -> list[Asked]:
    return [Asked(kind, f"because of {kind}", {"n": 1}, NOW - 5) for kind in kinds]


def past(**changed: Any) -> Past:
    made = Past(1, frozenset({"data"}), "d1", "p", NOW - 5 * HOUR, 600.0, "promoted")
    return replace(made, **changed)


def skip(found: Go | Skip) -> Skip:
    assert isinstance(found, Skip)
    return found


def test_new_data_goes_and_says_who_asked_by_what_evidence():
    found = decide(asked("data", "drift"), STATE, POLICY)
    assert isinstance(found, Go)
    assert found.reason == "data: because of data; drift: because of drift"
    assert found.evidence["asked"][1] == {
        "kind": "drift",
        "reason": "because of drift",
        "evidence": {"n": 1},
    }
    assert found.evidence["new"]["ratings"] == 50


def test_nobody_asks_or_nothing_is_there_is_skipped():
    assert "nobody asks any more" in skip(decide([], STATE, POLICY)).reason
    empty = replace(STATE, has_data=False)
    assert "beholder ingest" in skip(decide(asked("hand"), empty, POLICY)).reason


def test_too_little_new_data_is_skipped_with_both_numbers():
    few = replace(STATE, new_ratings=4, new_items=3, waiting_ratings=2)
    found = skip(decide(asked("drift"), few, POLICY))
    assert found.reason.startswith(
        "9 new ratings and items since the last training, triggers.min_new_rows asks for 10"
    )
    assert found.again_at is None
    assert isinstance(decide(asked("drift"), replace(few, new_items=4), POLICY), Go)


def test_changed_parameters_need_no_new_data():
    assert isinstance(
        decide(asked("schedule"), replace(STATE, new_ratings=0, is_changed=True), POLICY), Go
    )


def test_same_kind_on_same_data_and_parameters_was_answered_before():
    answered = replace(STATE, past=(past(data_version="d2", outcome="rejected", number=7),))
    found = skip(decide(asked("data"), answered, POLICY))
    assert "answered in round 7" in found.reason
    assert found.again_at is None


@pytest.mark.parametrize(
    "changed",
    [
        {"data_version": "d1"},
        {"params": "other"},
        {"kinds": frozenset({"drift"})},
        {"outcome": "failed"},
        {"outcome": ""},
        {"outcome": "skipped"},
    ],
)
def test_what_was_not_answered_goes(changed: dict[str, Any]):
    before = past(**{"data_version": "d2", "outcome": "rejected", **changed})
    assert isinstance(decide(asked("data"), replace(STATE, past=(before,)), POLICY), Go)


def test_one_asker_who_is_new_takes_the_answered_ones_along():
    answered = replace(STATE, past=(past(data_version="d2", outcome="rejected"),))
    assert isinstance(decide(asked("data", "drift"), answered, POLICY), Go)


def test_feedback_that_waits_makes_it_another_question():
    waiting = replace(STATE, waiting_ratings=20, past=(past(data_version="d2"),))
    assert isinstance(decide(asked("data"), waiting, POLICY), Go)


def test_pause_after_a_run_is_waited_out():
    ended = NOW - 600
    just_now = past(begun_at=ended - 600, seconds=600)
    found = skip(decide(asked("data"), replace(STATE, past=(just_now,)), POLICY))
    assert "ended 10 minutes ago, triggers.pause_minutes asks for 30" in found.reason
    assert found.again_at == ended + 1800


def test_budget_of_runs_says_when_there_is_one_again():
    runs = tuple(past(number=n, begun_at=NOW - (10 - n) * HOUR, seconds=60.0) for n in range(4))
    found = skip(decide(asked("data"), replace(STATE, past=runs), POLICY))
    assert "4 retrainings in 24 hours, triggers.max_runs_a_day allows 3" in found.reason
    assert found.again_at == runs[1].begun_at + 24 * HOUR
    later = replace(STATE, past=runs, now=found.again_at)
    assert isinstance(decide(asked("data"), later, POLICY), Go)


def test_budget_of_hours_says_when_there_is_some_again():
    runs = (
        past(number=1, begun_at=NOW - 9 * HOUR, seconds=0.5 * HOUR),
        past(number=2, begun_at=NOW - 8 * HOUR, seconds=1.8 * HOUR),
    )
    found = skip(decide(asked("data"), replace(STATE, past=runs), POLICY))
    assert "2.3 hours of retraining in 24 hours, triggers.max_hours_a_day allows 2" in found.reason
    assert found.again_at == runs[0].begun_at + 24 * HOUR


def test_runs_that_trained_nothing_cost_no_budget():
    runs = tuple(
        past(number=n, begun_at=NOW - 60 * n, seconds=5.0, outcome=outcome)
        for n, outcome in enumerate(["skipped", "unchanged"] * 5)
    )
    assert isinstance(decide(asked("data"), replace(STATE, past=runs), POLICY), Go)


@pytest.mark.parametrize("kind", ["hand", "registry"])
def test_person_is_heard_whatever_the_policy_says(kind: str):
    full = tuple(past(number=n, begun_at=NOW - 60 * n, data_version="d2") for n in range(9))
    state = replace(STATE, new_ratings=0, past=full)
    assert isinstance(decide(asked("data", kind), state, POLICY), Go)


pasts = st.builds(
    Past,
    number=st.integers(1, 99),
    kinds=st.frozensets(st.sampled_from(["data", "drift", "schedule"])),
    data_version=st.sampled_from(["d1", "d2"]),
    params=st.sampled_from(["p", "q"]),
    begun_at=st.floats(NOW - 48 * HOUR, NOW - 1),
    seconds=st.floats(0, 4 * HOUR),
    outcome=st.sampled_from(["promoted", "rejected", "skipped", "unchanged", "failed", ""]),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(pasts, max_size=12), st.integers(0, 30), st.sampled_from(["data", "drift"]))
def test_who_is_put_off_is_put_off_to_later_and_the_budget_is_never_overrun(
    before: list[Past], new: int, kind: str
):
    state = replace(STATE, new_ratings=new, past=tuple(before))
    found = decide(asked(kind), state, POLICY)
    if isinstance(found, Skip):
        assert found.again_at is None or found.again_at > NOW
        return
    lately = [p for p in before if p.has_trained and p.begun_at > NOW - 24 * HOUR]
    assert len(lately) < POLICY.max_runs_a_day
    assert sum(p.seconds for p in lately) < POLICY.max_hours_a_day * HOUR
    assert new >= POLICY.min_new_rows

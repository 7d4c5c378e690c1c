import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components.errors import ConflictError, ParameterError, ServiceError, WorkspaceError
from components.packaging.trial import TrialReport
from components.paths import Workspace
from components.promotion.comparison import Comparison
from components.promotion.gate import Verdict
from components.promotion.registry import Registry, Version
from components.promotion.store import Store
from components.statistics import Interval
from flows import candidate
from flows.releases import COMPARISON_TAG, open_registry
from flows.rolling_back import (
    choose,
    conclude,
    describe,
    explain_failure,
    record_refusal,
    refuse_reason,
    refuse_unfit,
)

FAILED = TrialReport(passed=False, reasons=("golden answers differ",))


@pytest.fixture
def registry(workspace: Workspace) -> Registry:
    return open_registry(workspace)


@pytest.fixture
def add(
    workspace: Workspace, place_bundles: Callable[..., Any], register: Callable[..., Any]
) -> Callable[[float], Version]:
    """Register a version that has passed its trial."""

    def make(mean: float) -> Version:
        place_bundles(workspace, mean)
        version: Version = register(workspace)
        return version

    return make


@pytest.fixture
def two(registry: Registry, add) -> tuple[Version, Version]:
    """Version 2 is champion, version 1 was it before."""
    first, second = add(3.0), add(3.5)
    registry.promote(first, None)
    registry.promote(second, first)
    return registry.version(1), registry.version(2)


def set_alias(workspace: Workspace, number: int | None) -> None:
    client = Store(f"sqlite:///{workspace.state / 'mlflow.db'}").client
    if number is None:
        client.delete_registered_model_alias("beholder", "champion")
    else:
        client.set_registered_model_alias("beholder", "champion", str(number))


def test_without_a_champion_or_one_before_it_there_is_nobody_to_go_back_to(
    workspace: Workspace, registry: Registry, add
):
    with pytest.raises(WorkspaceError, match="no champion yet; run 'beholder retrain'"):
        choose(workspace, None)
    registry.promote(add(3.0), None)
    with pytest.raises(WorkspaceError, match="version 1 replaced nobody"):
        choose(workspace, None)
    with pytest.raises(ServiceError, match="no version 7"):
        choose(workspace, 7)


def test_champion_before_is_chosen_unless_another_is_named(workspace: Workspace, two):
    plan = choose(workspace, None)
    assert (plan.target.number, plan.is_to_move) == (1, True)
    assert describe(plan) == "version 1 for version 2"
    same = choose(workspace, 2)
    assert (same.target.number, same.is_to_move) == (2, False)
    assert describe(same) == "version 2 is champion already"


def test_rollback_that_was_cut_off_is_gone_on_with_and_told_once(
    workspace: Workspace, registry: Registry, two
):
    registry.roll_back(two[0], two[1], reason="odd lists", actor="anna")
    plan = choose(workspace, None)
    assert (plan.target.number, plan.is_to_move) == (1, False)
    told = conclude(workspace)
    assert told is not None
    assert (told.kind, told.version, told.reason, told.actor) == (
        *("rollback", 1, "odd lists", "anna"),
    )
    assert told.evidence["from"] == 2
    assert conclude(workspace) is None
    with pytest.raises(WorkspaceError, match="version 1 replaced nobody"):
        choose(workspace, None)


def test_version_that_was_put_there_by_hand_is_tried_like_any_other(
    workspace: Workspace, registry: Registry, two, add
):
    add(4.0)
    set_alias(workspace, 3)
    with pytest.raises(ConflictError, match="version 3 cannot be champion: it was never champion"):
        choose(workspace, 3)
    assert choose(workspace, 2).is_to_move
    registry.mark(registry.version(3), Verdict("promote", ("better",)))
    assert choose(workspace, 3).is_to_move


def test_alias_that_somebody_removed_is_brought_back(workspace: Workspace, registry: Registry, two):
    set_alias(workspace, None)
    plan = choose(workspace, None)
    assert (plan.target.number, plan.champion, plan.is_to_move) == (2, None, True)
    assert describe(plan) == "version 2 for no champion"
    registry.roll_back(plan.target, plan.champion, reason="somebody removed it")
    champion = registry.champion()
    assert champion is not None
    assert champion.number == 2


# Who must not be champion


def version(comparison: Comparison | None = None, **tags: str) -> Version:
    if comparison is not None:
        tags[COMPARISON_TAG] = json.dumps(comparison.to_json())
    return Version(4, "d" * 64, "run", "here", {f"beholder.{k}": v for k, v in tags.items()} | tags)


def test_version_that_was_champion_may_be_it_again(comparison: Comparison):
    refuse_unfit(version(comparison, trial="passed", verdict="reject"), was_champion=True)


def test_version_that_the_gate_passed_may_be_champion(comparison: Comparison):
    refuse_unfit(version(comparison, trial="passed", verdict="promote"), was_champion=False)


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({}, "its trial is missing"),
        ({"trial": "failed", "verdict": "promote"}, "its trial is failed"),
        ({"trial": "passed"}, "the gate never judged it"),
        ({"trial": "passed", "verdict": "reject"}, "it said reject"),
        ({"trial": "passed", "verdict": "inconclusive"}, "it said inconclusive"),
    ],
)
def test_version_that_never_passed_is_refused(
    comparison: Comparison, tags: dict[str, str], why: str
):
    with pytest.raises(ConflictError, match=f"version 4 cannot be champion: .*{why}"):
        refuse_unfit(version(comparison, **tags), was_champion=False)


@pytest.mark.parametrize("was_champion", [True, False])
def test_version_with_numbers_that_are_not_finite_is_refused_whatever_it_was(
    comparison: Comparison, was_champion: bool
):
    score = comparison.candidate
    nothing = Interval(math.nan, math.nan, math.nan)
    for broken, why in (
        (replace(score, non_finite=3), "3 of its predictions and weights are not finite"),
        (replace(score, rmse=nothing), "its RMSE is not a finite number"),
    ):
        judged = version(replace(comparison, candidate=broken), trial="passed", verdict="promote")
        with pytest.raises(ConflictError, match=why):
            refuse_unfit(judged, was_champion=was_champion)


# What is told


def test_failed_trial_is_told_and_the_champion_named(workspace: Workspace, registry: Registry, two):
    plan = choose(workspace, None)
    record_refusal(workspace, plan, FAILED, "odd lists", "anna")
    refused = registry.ledger.read().entries[-1]
    assert (refused.kind, refused.version, refused.actor) == ("refused", 1, "anna")
    assert refused.reason == "rollback wanted (odd lists), trial failed: golden answers differ"
    assert "so version 2 stays as it is" in str(explain_failure(plan, FAILED))


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001])
def test_reason_that_says_nothing_or_too_much_is_refused(reason: str):
    with pytest.raises(ParameterError, match="reason"):
        refuse_reason(reason)


def test_retraining_leaves_a_version_alone_that_somebody_went_back_from(
    workspace: Workspace, registry: Registry, two, place_bundles: Callable[..., Any]
):
    registry.mark(two[1], Verdict("promote", ("better",)))
    registry.roll_back(two[0], two[1], reason="odd lists", actor="anna")
    place_bundles(workspace, 3.5)
    found = candidate.find_finished(workspace)
    assert found is not None
    assert found.number == 2

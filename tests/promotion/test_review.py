import re
from dataclasses import replace
from typing import Any

import pytest

from components.promotion.chain import Chain, Entry, Facts, seal_entry
from components.promotion.journal import Lines
from components.promotion.review import (
    Decision,
    Standing,
    find_approval,
    find_obstacle,
    is_renewed,
    name_evidence,
)

NOW, BEFORE = "2 by 1f", "1 by 1f"
PASSED = Standing(
    number=3,
    champion=2,
    verdict="promote",
    trial="passed",
    evidence="aaaaaaaa",
    judged_beside=NOW,
    would_be=NOW,
)


def entry(kind: Any = "decision", version: int = 3, actor: str = "anna", **evidence: Any) -> Entry:
    return seal_entry(1, "", Facts(kind, version, "look-alikes", evidence, actor))


NO = entry(decision="reject", digest="d")
YES = entry(decision="approve", seen="aaaaaaaa", beside=NOW)

STANDINGS = {
    "awaiting review": PASSED,
    "inconclusive": replace(PASSED, verdict="inconclusive"),
    "turned down": replace(PASSED, verdict="reject"),
    "failed": replace(PASSED, trial="failed"),
    "unjudged": replace(PASSED, verdict=None),
    "approved": replace(PASSED, approval=YES),
    "rejected": replace(PASSED, rejection=NO),
    "champion": replace(PASSED, champion=3),
    "champion before": replace(PASSED, was_champion=True),
}


@pytest.mark.parametrize("state", STANDINGS)
def test_state_tells_what_has_become_of_a_version(state: str):
    assert STANDINGS[state].state == state


@pytest.mark.parametrize(
    ("standing", "state"),
    [
        (replace(PASSED, bad_numbers="its RMSE is NaN"), "failed"),
        (replace(PASSED, trial="missing"), "unjudged"),
        # Who failed is not approved, whatever was said before.
        (replace(PASSED, trial="failed", approval=YES), "failed"),
        (replace(PASSED, rejection=NO, approval=YES), "rejected"),
        (replace(PASSED, was_champion=True, rejection=NO), "champion before"),
    ],
)
def test_of_two_states_the_one_that_forbids_more_counts(standing: Standing, state: str):
    assert standing.state == state


# What may be: (state, decision, policy, reason given) → what the refusal says, None if it may.
RULES: list[tuple[str, Decision, Any, str, str | None]] = [
    ("awaiting review", "approve", "required", "", None),
    ("awaiting review", "approve", "auto", "", None),  # left by a kill, or by another policy
    ("awaiting review", "reject", "required", "ugly", None),
    ("awaiting review", "reject", "auto", "ugly", None),
    ("awaiting review", "reject", "required", " ", "a rejection needs a reason"),
    ("inconclusive", "approve", "required", "new taste", None),
    ("inconclusive", "approve", "required", " ", "overriding it needs a reason"),
    ("inconclusive", "approve", "auto", "new taste", "review.policy in params.yaml is auto"),
    ("inconclusive", "reject", "required", "ugly", None),
    ("turned down", "approve", "required", "please", "the gate rejected it, which nobody can"),
    ("turned down", "reject", "required", "ugly", None),
    ("failed", "approve", "required", "please", "it failed its trial, which nobody can approve"),
    ("failed", "reject", "required", "ugly", None),
    ("unjudged", "approve", "required", "please", "the gate has not judged it yet"),
    ("approved", "approve", "required", "", None),
    (
        "approved",
        "reject",
        "required",
        "ugly",
        "anna approved it at .* 'beholder review approve 3'",
    ),
    ("rejected", "approve", "required", "please", "anna rejected it at .*look-alikes.*rollback"),
    ("rejected", "reject", "required", "ugly", "anna rejected it at"),
    ("champion", "approve", "required", "", None),
    ("champion", "reject", "required", "ugly", "it is champion; 'beholder rollback"),
    ("champion before", "approve", "required", "again", "'beholder rollback --to 3"),
    ("champion before", "reject", "required", "ugly", "it was champion before"),
]


@pytest.mark.parametrize(("state", "decision", "policy", "reason", "says"), RULES)
def test_decision_is_allowed_or_refused_with_the_way_out(
    state: str, decision: Decision, policy: Any, reason: str, says: str | None
):
    found = find_obstacle(STANDINGS[state], decision, reason=reason, seen="", policy=policy)
    if says is None:
        assert found is None
    else:
        assert found is not None
        assert re.search(says, found)


@pytest.mark.parametrize("policy", ["auto", "required"])
def test_number_that_is_not_finite_is_approved_by_nobody(policy: Any):
    bad = replace(PASSED, bad_numbers="3 of its predictions are not finite")
    said = find_obstacle(bad, "approve", reason="please", seen=bad.evidence, policy=policy)
    assert said is not None
    assert said.startswith("3 of its predictions are not finite, which nobody can approve")


def approve(standing: Standing, seen: str = "") -> str | None:
    return find_obstacle(standing, "approve", reason="", seen=seen, policy="required")


def test_version_that_was_judged_again_is_approved_only_by_who_names_its_numbers():
    renewed = replace(PASSED, is_renewed=True)
    said = approve(renewed)
    assert said is not None
    assert "--seen aaaaaaaa" in said
    assert approve(renewed, "aaaaaaaa") is None
    assert "others by now, aaaaaaaa and not bbbbbbbb" in str(approve(renewed, "bbbbbbbb"))
    assert "others by now" in str(approve(PASSED, "bbbbbbbb"))
    # What is stale will be judged anew whatever was seen.
    assert approve(replace(renewed, judged_beside=BEFORE)) is None


def test_champion_or_rules_of_before_make_a_verdict_stale():
    assert not PASSED.is_stale
    assert replace(PASSED, judged_beside=BEFORE).is_stale
    assert replace(PASSED, judged_beside=None).is_stale
    assert replace(PASSED, judged_beside=f"{NOW}, again").is_stale


def test_pending_is_what_the_gate_passed_until_something_newer_is_champion():
    assert PASSED.is_pending
    assert STANDINGS["approved"].is_pending
    assert replace(PASSED, champion=None).is_pending
    assert not replace(PASSED, champion=4).is_pending
    assert not any(
        STANDINGS[state].is_pending for state in ("inconclusive", "rejected", "champion")
    )


# What the ledger says


def chain(*entries: Entry) -> Chain:
    return Chain(Lines(), entries, None)


def test_approval_counts_for_the_numbers_and_the_champion_that_it_was_given_on():
    told = chain(YES, entry(version=4, decision="approve", seen="aaaaaaaa", beside=NOW))
    assert find_approval(told, 3, "aaaaaaaa", NOW) is YES
    assert find_approval(told, 3, "aaaaaaaa", BEFORE) is None
    assert find_approval(told, 3, "bbbbbbbb", NOW) is None
    old = entry(decision="approve", seen="aaaaaaaa", beside=NOW, stale=True)
    assert find_approval(chain(YES, old), 3, "aaaaaaaa", NOW) is None


def test_numbers_are_renewed_if_others_could_have_been_approved_before():
    first = entry("verdict", verdict="v", comparison="c", decision="promote")
    name = name_evidence("v", "c")
    assert not is_renewed(chain(first), 3, name)
    assert is_renewed(chain(first), 3, name_evidence("w", "c"))
    assert not is_renewed(chain(first), 4, name_evidence("w", "c"))
    slow = entry("verdict", verdict="s", comparison="c", decision="reject")
    assert not is_renewed(chain(slow, first), 3, name)


def test_rejection_is_remembered_by_the_bundles_whatever_moves_afterwards():
    moved = entry("moved", version=2, purpose="promotion")
    position = chain(NO, moved).position
    assert position.rejected == {"d": NO}
    assert chain(YES, moved).position.rejected == {}

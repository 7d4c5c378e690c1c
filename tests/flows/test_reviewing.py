"""Decisions on real versions in a real store: 1 is champion, 2 was judged beside it and passed."""

import pytest

from components.errors import ConflictError, ServiceError
from flows import candidate, reviewing
from flows.releases import COMPARISON_TAG
from flows.reviewing import Request
from tests.flows.desk import Desk


def finished(desk: Desk) -> int | None:
    found = candidate.find_finished(desk.workspace)
    return None if found is None else found.number


def test_version_that_the_gate_passed_awaits_review_and_is_not_made_again(desk: Desk):
    standing = desk.stand(2)
    assert (standing.state, standing.is_stale, standing.is_pending) == (
        *("awaiting review", False, True),
    )
    assert finished(desk) == 2
    assert desk.stand(1).state == "champion"
    desk.set_params("review", policy="auto")
    assert finished(desk) is None


def test_decision_is_in_the_ledger_with_who_why_and_what_they_saw(desk: Desk):
    standing = desk.stand(2)
    told = desk.decide("approve")
    assert (told.kind, told.version, told.actor, told.reason) == (
        *("decision", 2, "anna", "better lists"),
    )
    assert told.evidence["decision"] == "approve"
    assert told.evidence["way"] == "command line"
    assert told.evidence["seen"] == standing.evidence
    verdict = desk.registry.ledger.read().last("verdict", version=2)
    assert verdict is not None
    for name in ("verdict", "comparison"):
        assert told.evidence[name] == verdict.evidence[name]
    assert desk.stand(2).state == "approved"


def test_same_decision_after_a_kill_is_told_once(desk: Desk):
    first = desk.decide("approve")
    assert desk.decide("approve") == first
    desk.add(4.0)
    desk.judge(3)
    no = desk.decide("reject", 3)
    assert desk.decide("reject", 3) == no
    assert [e.kind for e in desk.registry.ledger.read().entries].count("decision") == 2


def test_rejected_bundles_are_never_promoted_by_a_retraining(desk: Desk):
    told = desk.decide("reject", reason="look-alikes")
    reviewing.mark(desk.workspace, desk.registry.version(2), told)
    assert desk.registry.version(2).tags["beholder.decision"] == "rejected by anna: look-alikes"
    assert desk.stand(2).state == "rejected"
    for policy in ("required", "auto"):
        desk.set_params("review", policy=policy)
        assert finished(desk) == 2
    # Not even by one that was at the gate already.
    with pytest.raises(ConflictError, match=r"not promoted: anna rejected it .*look-alikes"):
        desk.registry.promote(desk.registry.version(2), desk.registry.version(1))
    # Somebody who insists goes back to it by name.
    desk.registry.roll_back(desk.registry.version(2), desk.registry.version(1), reason="sure")
    assert desk.stand(2).state == "champion"


def test_second_decision_of_two_at_once_is_refused_by_the_ledger(desk: Desk):
    yes, no = Request(2, "approve", "", "anna"), Request(2, "reject", "ugly", "bert")
    version, _ = reviewing.check(desk.workspace, yes)
    reviewing.check(desk.workspace, no)  # both may, as long as neither has
    reviewing.record(desk.workspace, version, no)
    with pytest.raises(ConflictError, match=r"cannot be approved: bert rejected it .*ugly"):
        reviewing.record(desk.workspace, version, yes)


def test_rejection_while_the_version_is_becoming_champion_is_refused(desk: Desk):
    version = desk.registry.version(2)
    desk.registry.ledger.append(
        "moving", version=2, evidence={"from": 1, "domain": "sqlite"}, actor="retrain@host"
    )
    with pytest.raises(ConflictError, match="retrain@host is making version 2 champion"):
        reviewing.record(desk.workspace, version, Request(2, "reject", "ugly", "bert"))


def test_approval_does_not_outlive_the_champion_that_it_was_given_beside(desk: Desk):
    desk.decide("approve")
    desk.add(4.0)
    desk.registry.promote(desk.registry.version(3), desk.registry.version(1))
    standing = desk.stand(2)
    assert (standing.state, standing.is_stale, standing.is_pending) == (
        *("awaiting review", True, False),
    )
    said = reviewing.explain_staleness(standing)
    assert said == "it was judged beside version 1, and now the champion is version 3"
    with pytest.raises(ConflictError, match="now the champion is version 3"):
        reviewing.require_champion_judged_beside(desk.workspace, desk.registry.version(2))
    told = desk.decide("approve")
    assert told.evidence["stale"] is True
    assert desk.decide("approve") == told
    desk.judge(2, 0.06)
    assert desk.stand(2).state == "awaiting review"
    with pytest.raises(ConflictError, match="judged again, with other numbers than before"):
        desk.decide("approve")
    seen = desk.stand(2).evidence
    assert f"approve 2 --seen {seen}" in reviewing.list_ways(desk.stand(2))[1]
    assert desk.decide("approve", seen=seen).evidence["seen"] == seen


def test_other_rules_make_a_verdict_stale_too(desk: Desk):
    desk.set_params("gate", min_rows=6)
    assert "rules in params.yaml" in reviewing.explain_staleness(desk.stand(2))
    assert finished(desk) is None


def test_inconclusive_version_may_be_overridden_with_a_reason(desk: Desk):
    desk.add(4.0)
    assert desk.judge(3, -0.01).decision == "inconclusive"
    scene = reviewing.look(desk.workspace)
    said, more = reviewing.explain(desk.stand(3), scene.params)
    assert said == "inconclusive"
    assert more[0].startswith("a reviewer may override it")
    with pytest.raises(ConflictError, match="overriding it needs a reason"):
        desk.decide("approve", 3, reason=" ")
    assert desk.decide("approve", 3, reason="new taste").reason == "new taste"


def test_version_that_was_champion_before_is_for_a_rollback(desk: Desk):
    desk.registry.promote(desk.registry.version(2), desk.registry.version(1))
    with pytest.raises(ConflictError, match="'beholder rollback --to 1"):
        desk.decide("approve", 1)
    # Judged again, as after old parameters have come back, it is a candidate like any other.
    desk.judge(1)
    assert desk.stand(1).state == "awaiting review"


def test_comparison_that_nobody_can_read_is_no_evidence(desk: Desk):
    desk.registry.annotate(desk.registry.version(2), COMPARISON_TAG, '{"rows": 1}')
    with pytest.raises(ConflictError, match="its comparison cannot be read"):
        desk.decide("approve")


def test_version_that_does_not_exist_is_named(desk: Desk):
    with pytest.raises(ServiceError, match="no version 7"):
        desk.decide("approve", 7)

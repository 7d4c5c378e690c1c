"""What a person may decide about a version: pure, from what gate, trial and ledger say of it."""

from dataclasses import dataclass
from typing import Literal

from components.files import hash_json
from components.promotion.chain import APPROVE, Chain, Entry
from components.promotion.findings import Decision as GateDecision
from components.promotion.moving import describe_rejection

Decision = Literal["approve", "reject"]
Policy = Literal["auto", "required"]
State = Literal[
    "champion",
    "champion before",
    "rejected",
    "approved",
    "unjudged",
    "failed",
    "turned down",
    "inconclusive",
    "awaiting review",
]

_SHORT = 8


@dataclass(frozen=True)
class Standing:
    """All that decides what a person may do with a version.

    `was_champion` says that it was made champion after its last verdict. `trial` is passed, failed
    or missing; `bad_numbers` says what is not finite. `evidence` is the
    short name of the numbers that its verdict rests on, `is_renewed` whether others were shown
    before. `judged_beside` says beside which champion and by which rules the verdict was found,
    `would_be` what that would be now. `rejection` and `approval` are the decisions that stand:
    the first for good, the second for these very numbers beside this very champion.
    """

    number: int
    champion: int | None = None
    was_champion: bool = False
    verdict: GateDecision | None = None
    trial: str = "missing"
    bad_numbers: str | None = None
    evidence: str = ""
    is_renewed: bool = False
    judged_beside: str | None = None
    would_be: str = ""
    rejection: Entry | None = None
    approval: Entry | None = None

    @property
    def state(self) -> State:
        """What has become of it, in a word or two."""
        if self.number == self.champion:
            return "champion"
        if self.was_champion:
            return "champion before"
        if self.rejection is not None:
            return "rejected"
        if self.trial == "failed" or self.bad_numbers is not None:
            return "failed"
        if self.verdict is None or self.trial != "passed":
            return "unjudged"
        if self.verdict == "reject":
            return "turned down"
        if self.approval is not None:
            return "approved"
        return "inconclusive" if self.verdict == "inconclusive" else "awaiting review"

    @property
    def is_stale(self) -> bool:
        """Whether another champion, or other rules, have come since the verdict."""
        return self.judged_beside != self.would_be

    @property
    def is_pending(self) -> bool:
        """Whether somebody should look: the gate passed it, and nothing newer is champion."""
        is_overtaken = self.champion is not None and self.champion > self.number
        return self.state in ("awaiting review", "approved") and not is_overtaken


def name_evidence(verdict: str, comparison: str) -> str:
    """Return the short name of a verdict and a comparison, by the sha256 of each."""
    return hash_json([verdict, comparison])[:_SHORT]


def find_approval(chain: Chain, number: int, evidence: str, beside: str) -> Entry | None:
    """Return the approval of a version that rests on these numbers, beside this champion."""
    for entry in reversed(chain.entries):
        if entry.kind != "decision" or entry.version != number:
            continue
        says = entry.evidence
        if (says.get("decision"), says.get("seen")) == (APPROVE, evidence):
            return entry if says.get("beside") == beside and not says.get("stale") else None
    return None


def is_renewed(chain: Chain, number: int, evidence: str) -> bool:
    """Say whether a version could have been approved on other numbers before."""
    shown = {
        name_evidence(str(entry.evidence.get("verdict")), str(entry.evidence.get("comparison")))
        for entry in chain.entries
        if entry.kind == "verdict"
        and entry.version == number
        and entry.evidence.get("decision") in ("promote", "inconclusive")
    }
    return bool(shown - {evidence})


def find_obstacle(
    standing: Standing, decision: Decision, *, reason: str, seen: str, policy: Policy
) -> str | None:
    """Return why a decision must not be, and what to do instead; None if it may.

    `seen` names the numbers that the person looked at; empty if the person did not say.
    """
    number = standing.number
    match standing.state:
        case "champion":
            return None if decision == "approve" else f"it is champion; {_GO_BACK}"
        case "champion before":
            back = f"'beholder rollback --to {number} --reason …' brings it back"
            return f"it was champion before, so there is nothing to review; {back}"
        case "rejected":
            assert standing.rejection is not None
            back = f"'beholder rollback --to {number} --reason …' tries it, and takes it even so"
            return f"{describe_rejection(standing.rejection)}; {back}"
        case _:
            pass
    if decision == "approve":
        return _find_obstacle_to_approval(standing, reason, seen, policy)
    if not reason.strip():
        return "a rejection needs a reason, for whoever made it; say one with --reason '…'"
    if standing.approval is not None:
        entry = standing.approval
        ways = f"'beholder review approve {number}' finishes that, {_GO_BACK}"
        return f"{entry.actor} approved it at {entry.time} ({entry.reason}); {ways}"
    return None


_GO_BACK = "'beholder rollback --reason …' goes back from it"
_NEXT_TRY = "'beholder retrain' makes one that may be"


def _find_obstacle_to_approval(
    standing: Standing, reason: str, seen: str, policy: Policy
) -> str | None:
    number, verdict = standing.number, standing.verdict
    match standing.state:
        case "approved":  # by whoever; what a kill has left of it is finished
            return None
        case "unjudged":
            return "the gate has not judged it yet; run 'beholder retrain', which goes on with it"
        case "failed" if standing.bad_numbers is not None:
            return f"{standing.bad_numbers}, which nobody can approve; {_NEXT_TRY}"
        case "failed":
            return f"it failed its trial, which nobody can approve; {_NEXT_TRY}"
        case "turned down":
            return (
                "the gate rejected it, which nobody can approve; mend what its reasons name (data, "
                "parameters), then run 'beholder retrain'"
            )
        case _:
            pass
    if verdict == "inconclusive" and policy == "auto":
        return (
            "the gate is in doubt about it, and review.policy in params.yaml is auto: the gate "
            "decides, and in doubt the champion stays; set it to required to decide yourself"
        )
    if verdict == "inconclusive" and not reason.strip():
        return "the gate is in doubt about it, so overriding it needs a reason: --reason '…'"
    if seen and seen != standing.evidence:
        return f"its numbers are others by now, {standing.evidence} and not {seen}; {_look(number)}"
    if standing.is_renewed and not seen and not standing.is_stale:
        named = f"approve what you saw by --seen {standing.evidence}"
        return f"it was judged again, with other numbers than before; {_look(number)}, and {named}"
    return None


def _look(number: int) -> str:
    return f"look at them by 'beholder review show {number}'"

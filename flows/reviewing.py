"""What a review looks at and what it writes down; `components.promotion.review` has the rules."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from components.errors import ConflictError, CorruptFileError
from components.files import hash_json
from components.packaging.trial import TrialReport
from components.params import Params, load_params
from components.paths import Workspace
from components.promotion.chain import REJECT, Chain, Entry
from components.promotion.comparison import Comparison
from components.promotion.gate import describe_bad_numbers
from components.promotion.ledger import find_actor
from components.promotion.moving import describe_rejection
from components.promotion.registry import Registry, Version
from components.promotion.review import (
    Decision,
    Standing,
    find_approval,
    find_obstacle,
    is_renewed,
    name_evidence,
)
from components.promotion.version import TRIAL_TAG
from components.settings import load_settings
from flows.candidate import JUDGED_BESIDE_TAG, describe_judgement
from flows.releases import COMPARISON_TAG, JUDGEMENT_TAG, open_registry
from flows.tracking import store_address

DECISION_TAG = "beholder.decision"
BY_HAND = "command line"

_DONE = {"approve": "approved", "reject": "rejected"}


@dataclass(frozen=True)
class Request:
    """What a person decides about which version; `way` says where they said it.

    `seen` names the numbers that they looked at, where they said so. Without a `reviewer` it is
    user@host, or BEHOLDER_ACTOR.
    """

    version: int
    decision: Decision
    reason: str = ""
    reviewer: str = ""
    seen: str = ""
    way: str = BY_HAND

    @property
    def actor(self) -> str:
        """Who decides, as the ledger shall name them."""
        return self.reviewer.strip() or find_actor()


@dataclass(frozen=True)
class Scene:
    """The registry, the ledger, the champion and the rules, as they stand at one moment."""

    registry: Registry
    chain: Chain
    champion: Version | None
    params: Params

    def stand(self, version: Version) -> Standing:
        """Return all that decides what a person may do with a version."""
        position, evidence = self.chain.position, read_evidence(version)
        seen = name_evidence(evidence["verdict"], evidence["comparison"])
        would_be = describe_judgement(self.champion, self.params)
        return Standing(
            version.number,
            champion=None if self.champion is None else self.champion.number,
            was_champion=_was_champion_since_verdict(self.chain, version.number),
            verdict=None if version.verdict is None else version.verdict.decision,
            trial=version.tags.get(TRIAL_TAG, "missing"),
            bad_numbers=_find_bad_numbers(version),
            evidence=seen,
            is_renewed=is_renewed(self.chain, version.number, seen),
            judged_beside=version.tags.get(JUDGED_BESIDE_TAG),
            would_be=would_be,
            rejection=position.rejected.get(version.digest),
            approval=find_approval(self.chain, version.number, seen, would_be),
        )


def look(workspace: Workspace) -> Scene:
    """Return what a review stands on now."""
    registry = open_registry(workspace)
    params = load_params(workspace.params)
    return Scene(registry, registry.ledger.read(), registry.champion(), params)


def read_standings(workspace: Workspace) -> list[tuple[Version, Standing]]:
    """Return every version and how it stands, the newest first."""
    scene = look(workspace)
    return [(version, scene.stand(version)) for version in scene.registry.versions()]


def read_evidence(version: Version) -> dict[str, str]:
    """Return the sha256 of a version's verdict and of its comparison; empty where it has none."""
    return {
        name: hash_json(json.loads(version.tags[tag])) if tag in version.tags else ""
        for name, tag in (("verdict", JUDGEMENT_TAG), ("comparison", COMPARISON_TAG))
    }


def _was_champion_since_verdict(chain: Chain, number: int) -> bool:
    made = chain.last("opened", "moved", version=number)
    judged = chain.last("verdict", version=number)
    return made is not None and (judged is None or judged.number < made.number)


def _find_bad_numbers(version: Version) -> str | None:
    if COMPARISON_TAG not in version.tags:
        return None
    try:
        comparison = Comparison.from_json(json.loads(version.tags[COMPARISON_TAG]))
    except CorruptFileError as error:
        return f"its comparison cannot be read ({error})"
    return "; ".join(describe_bad_numbers(comparison)) or None


def check(workspace: Workspace, request: Request) -> tuple[Version, Standing]:
    """Return the version and how it stands, if what the person decides may be.

    Raises ServiceError if there is no such version, ConflictError if it must not be decided so.
    """
    scene = look(workspace)
    version = scene.registry.version(request.version)
    standing = scene.stand(version)
    refuse(standing, request, scene.params)
    return version, standing


def refuse(standing: Standing, request: Request, params: Params) -> None:
    """Raise ConflictError if a decision must not be; the same rejection once more may."""
    told = standing.rejection
    if told is not None and request.decision == "reject" and is_same(told, request):
        return
    obstacle = find_obstacle(
        standing,
        request.decision,
        reason=request.reason,
        seen=request.seen,
        policy=params.review.policy,
    )
    if obstacle is not None:
        verb = _DONE[request.decision]
        raise ConflictError(f"version {request.version} cannot be {verb}: {obstacle}")


def record(workspace: Workspace, version: Version, request: Request) -> Entry:
    """Write a decision down, unless the same one stands already; return its entry.

    The version must still stand as it did at the moment of writing: of two people who decide at
    once, the second is refused by ConflictError.
    """
    scene = look(workspace)
    standing = scene.stand(version)
    told = standing.approval if request.decision == "approve" else standing.rejection
    if told is not None and (request.decision == "approve" or is_same(told, request)):
        return told
    reason = request.reason.strip() or "the gate passed it"
    evidence = _describe_evidence(version, standing, request)
    last = scene.chain.last("decision", version=version.number)
    wanted = (request.actor, reason, evidence)
    if last is not None and (last.actor, last.reason, dict(last.evidence)) == wanted:
        return last  # the same, before a kill

    def check_latest(chain: Chain) -> None:
        latest = replace(scene, chain=chain, champion=scene.registry.champion())
        pending = chain.position.pending
        if pending is not None and pending.version == version.number:
            raise ConflictError(
                f"{pending.actor} is making version {version.number} champion just now; see "
                "'beholder ledger'"
            )
        stands = latest.stand(scene.registry.version(version.number))
        refuse(stands, request, scene.params)
        if (stands.evidence, stands.would_be) != (standing.evidence, standing.would_be):
            raise ConflictError(
                f"version {version.number} or the champion changed this very moment; look again "
                f"by 'beholder review show {version.number}'"
            )

    return scene.registry.ledger.append(
        "decision",
        version=version.number,
        reason=reason,
        evidence=evidence,
        actor=request.actor,
        check=check_latest,
    )


def is_same(told: Entry, request: Request) -> bool:
    """Say whether an entry tells of this very decision, as after a kill."""
    return (told.actor, told.reason) == (request.actor, request.reason.strip())


def _describe_evidence(version: Version, standing: Standing, request: Request) -> dict[str, Any]:
    says: Mapping[str, Any] = {
        "decision": request.decision,
        "way": request.way,
        "seen": standing.evidence,
        "beside": standing.judged_beside,
        "digest": version.digest,
        **read_evidence(version),
    }
    is_stale = request.decision != REJECT and standing.is_stale
    return {**says, "stale": True} if is_stale else dict(says)


def mark(workspace: Workspace, version: Version, entry: Entry) -> None:
    """Write a decision on the version too, for whoever looks at it in MLflow."""
    verb = _DONE[str(entry.evidence["decision"])]
    text = f"{verb} by {entry.actor}: {entry.reason}"
    open_registry(workspace).annotate(version, DECISION_TAG, text)


def explain(standing: Standing, params: Params) -> tuple[str, tuple[str, ...]]:
    """Return how a version that is not champion stands, and what may be done, a line each."""
    number, state = standing.number, standing.state
    told = standing.rejection or standing.approval
    if state == "rejected" and told is not None:
        return f"rejected: {describe_rejection(told)}", ()
    if state == "approved" and told is not None:
        says = f"approved by {told.actor} and not champion yet"
        return says, (f"'beholder review approve {number}' finishes it",)
    if state == "awaiting review":
        return "awaits review", tuple(list_ways(standing))
    if state == "inconclusive" and params.review.policy == "required":
        look_at, approve, _ = list_ways(standing)
        return "inconclusive", ("a reviewer may override it, with a reason:", look_at, approve)
    return str(standing.verdict), ()


def list_ways(standing: Standing) -> tuple[str, str, str]:
    """Return the commands by which a person sees, approves and rejects a version."""
    number = standing.number
    seen = f" --seen {standing.evidence}" if standing.is_renewed else ""
    return (
        f"beholder review show {number}",
        f"beholder review approve {number}{seen} --reason …",
        f"beholder review reject {number} --reason …",
    )


def require_champion_judged_beside(workspace: Workspace, version: Version) -> Version | None:
    """Return the champion, which is the one that a version's verdict was found beside.

    Raises ConflictError if it is another by now, or if the rules are.
    """
    scene = look(workspace)
    standing = scene.stand(version)
    if standing.is_stale:
        raise ConflictError(f"version {version.number}: {explain_staleness(standing)}")
    return scene.champion


def explain_staleness(standing: Standing) -> str:
    """Return what changed since a version's verdict."""
    before, _, rules_before = (standing.judged_beside or "").partition(" by ")
    now, _, rules = standing.would_be.partition(" by ")
    if not before:
        return "its last verdict was never finished"
    if before != now:
        then = "no champion" if before == "none" else f"version {before}"
        return f"it was judged beside {then}, and now the champion is {_name(now)}"
    if rules_before.startswith(rules):
        return "its verdict rests on time alone"
    return "the rules in params.yaml (gate, trial) changed since its verdict"


def _name(champion: str) -> str:
    return "none" if champion == "none" else f"version {champion}"


def record_refusal(
    workspace: Workspace, version: Version, request: Request, trial: TrialReport
) -> ConflictError:
    """Tell the ledger that an approval was wanted and that the trial forbade it; return why."""
    failures = "; ".join(trial.reasons)
    open_registry(workspace).ledger.append(
        "refused",
        version=version.number,
        reason=f"approval wanted ({request.reason}), trial failed: {failures}",
        evidence={"trial": hash_json(trial.to_json())},
        actor=request.actor,
    )
    return ConflictError(
        f"version {version.number} had to be packaged anew and failed its trial ({failures}), so "
        "the champion stays; 'beholder retrain' tries it again"
    )


def store_of(workspace: Workspace) -> str:
    """Return the address of the store that keeps a workspace's runs and versions."""
    return store_address(workspace, load_settings())

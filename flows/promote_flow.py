"""The flow `promote`: what a person decided about a version, written down and carried out.

Every step is safe to repeat: what a kill has left half done, the same decision finishes.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from components.errors import BeholderError, ConflictError, WorkspaceError
from components.locking import hold_lock
from components.paths import Workspace
from flows.announcing import announce
from flows.judging import judge_beside_champion
from flows.retrain_flow import name_state
from flows.reviewing import Request
from flows.succession import deploy_champion, rehearse_next
from flows.tasks import call, describe_trial

if TYPE_CHECKING:
    from components.promotion.chain import Entry
    from components.promotion.gate import Verdict
    from components.promotion.registry import Version
    from components.promotion.review import Standing

# For a retraining that is at work, whose files would change under a comparison.
_WAIT_SECONDS = 300
_BY_FORM = "form"

End = Literal["promoted", "rejected", "awaiting review", "turned down", "inconclusive", "unchanged"]


@dataclass(frozen=True)
class Outcome:
    """How a decision ended, on which version, and why; `url` is where a new champion answers."""

    decision: End
    version: int
    reasons: tuple[str, ...]
    url: str | None = None


@flow(
    name="promote",
    flow_run_name="{decision} version {version}",
    on_completion=[announce],
    on_failure=[announce],
)
def promote(
    version: Annotated[int, Field(ge=1, description="The version's number.")],
    decision: Annotated[
        Literal["approve", "reject"],
        Field(description="Approve makes it champion; reject keeps it from that for good."),
    ],
    reason: Annotated[
        str,
        Field(description="Why; the ledger keeps it. Needed to reject, and where the gate doubts."),
    ] = "",
    reviewer: Annotated[
        str, Field(description="Who decides; empty: the account that the service runs under.")
    ] = "",
    seen: Annotated[
        str,
        Field(
            description="Which numbers you looked at, as 'beholder review show' names them; needed "
            "only where a version was judged more than once."
        ),
    ] = "",
    *,
    workspace: Annotated[str, Field(description="The workspace; leave it as it is.")],
    way: Annotated[str, Field(description="Where it was decided; leave it as it is.")] = _BY_FORM,
) -> State[Any]:
    """Approve a version, which makes it champion, or reject it.

    Ends as Promoted, Rejected or Unchanged. Where the champion or the rules changed since the
    verdict, an approval is judged anew and promotes nothing: it ends as AwaitingReview with new
    numbers, TurnedDown or Inconclusive. Failed says why a decision could not be. One at a time in a
    workspace.
    """
    from flows.presence import mark_presence
    from flows.run_page import close_abandoned_runs

    place = Workspace(Path(workspace))
    request = Request(version, decision, reason, reviewer, seen, way)
    lock = hold_lock(place.run / "promote.lock", wait_seconds=0, what=f"{place.root} (promote)")
    try:
        mark_presence(place)
        with lock:
            close_abandoned_runs(place, "promote")
            outcome = _carry_out(place, request)
    except BeholderError as error:
        return Failed(message=str(error))
    return Completed(
        name=name_state(outcome.decision),
        message=f"version {version}: {'; '.join(outcome.reasons)}",
        data=asdict(outcome),
    )


def _carry_out(workspace: Workspace, request: Request) -> Outcome:
    from flows import reviewing
    from flows.releases import open_registry

    open_registry(workspace).settle()
    version, standing = call(
        "check", lambda: reviewing.check(workspace, request), lambda found: found[1].state
    )
    if request.decision == "reject":
        entry = _record(workspace, version, request)
        return Outcome("rejected", version.number, (f"rejected by {entry.actor}: {entry.reason}",))
    if standing.state == "champion":
        return _end("unchanged", workspace, version, "it is champion already")
    if not standing.is_stale:
        try:
            return _promote(workspace, version, request)
        except ConflictError:  # the champion may have changed this very moment
            scene = reviewing.look(workspace)
            standing = scene.stand(scene.registry.version(version.number))
            if not standing.is_stale:
                raise
    return _renew(workspace, version, standing, request)


def _record(workspace: Workspace, version: "Version", request: Request) -> "Entry":
    from flows import reviewing

    entry = call(
        "ledger",
        lambda: reviewing.record(workspace, version, request),
        lambda made: f"entry {made.number}, by {made.actor}",
    )
    reviewing.mark(workspace, version, entry)
    return entry


def _promote(workspace: Workspace, version: "Version", request: Request) -> Outcome:
    from flows.releases import open_registry
    from flows.reviewing import require_champion_judged_beside

    champion = require_champion_judged_beside(workspace, version)
    _ensure_tried(workspace, version, request)
    rehearse_next(workspace, version)
    entry = _record(workspace, version, request)
    reason = f"approved: {entry.reason}"
    evidence = {name: entry.evidence[name] for name in ("verdict", "comparison")}
    call(
        "promote",
        lambda: open_registry(workspace).promote(
            version,
            champion,
            reason=reason,
            evidence={**evidence, "decision": entry.sha256},
            actor=entry.actor,
        ),
        lambda _: f"version {version.number} is champion",
    )
    return _end("promoted", workspace, version, f"approved by {entry.actor}: {entry.reason}")


def _end(decision: End, workspace: Workspace, version: "Version", said: str) -> Outcome:
    """End with this version as champion, once the endpoints answer with it or say why not."""
    deployed = deploy_champion(workspace)
    refusals = () if deployed.refusal is None else (deployed.refusal,)
    return Outcome(decision, version.number, (said, *refusals), deployed.url)


def _ensure_tried(workspace: Workspace, version: "Version", request: Request) -> None:
    """Package and try a version anew where the Bento that was tried does not stand any more."""
    from components.params import load_params
    from flows.candidate import try_bento
    from flows.releases import fetch_bento, has_tried_bento
    from flows.reviewing import record_refusal

    if has_tried_bento(workspace, version):
        return
    bento = call("package", lambda: fetch_bento(workspace, version), str)
    params = load_params(workspace.params)
    report = call("trial", lambda: try_bento(workspace, version, bento, params), describe_trial)
    if not report.passed:
        raise record_refusal(workspace, version, request, report)


def _renew(
    workspace: Workspace, version: "Version", standing: "Standing", request: Request
) -> Outcome:
    """Judge a version anew beside the champion of now, because its verdict is an old one."""
    from components.params import load_params
    from flows import reviewing
    from flows.releases import fetch_bento, find_champion
    from flows.tracking import find_run

    _record(workspace, version, request)
    what = f"{workspace.root} (retrain)"
    with hold_lock(workspace.work_lock, wait_seconds=_WAIT_SECONDS, what=what):
        _require_test(workspace)
        verdict = judge_beside_champion(
            workspace,
            load_params(workspace.params),
            version,
            find_champion(workspace),
            find_run(reviewing.store_of(workspace), version.run_id),
            fetch_bento,
        )
    return _conclude(workspace, version.number, standing, verdict)


def _require_test(workspace: Workspace) -> None:
    for path in (workspace.split / "test.parquet", workspace.ladder):
        if not path.exists():
            raise WorkspaceError(
                f"{path} is missing, without which nothing can be compared; run 'dvc pull' or "
                "'beholder retrain'"
            )


def _conclude(workspace: Workspace, number: int, old: "Standing", verdict: "Verdict") -> Outcome:
    from flows.reviewing import explain, explain_staleness, look

    scene = look(workspace)
    standing = scene.stand(scene.registry.version(number))
    why = f"judged anew and not promoted, because {explain_staleness(old)}"
    ends: dict[str, End] = {
        "promote": "awaiting review",
        "reject": "turned down",
        "inconclusive": "inconclusive",
    }
    _, more = explain(standing, scene.params)
    return Outcome(ends[verdict.decision], number, (why, *verdict.reasons, *more))

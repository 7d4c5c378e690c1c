"""What there is to tell people of a version or a run, as it stands, in words."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect.client.schemas.objects import FlowRun, State

from components.notices.notice import Notice, read_numbers
from components.paths import Workspace
from components.promotion.chain import ROLLBACK
from components.promotion.comparison import Comparison

if TYPE_CHECKING:
    from components.promotion.registry import Version
    from flows.reviewing import Scene

# How a version ends of which nobody need decide any more, by its state.
_ENDS = {
    "inconclusive": "is not promoted: the gate is in doubt",
    "turned down": "is rejected by the gate",
    "failed": "is rejected: it failed its trial",
}
_FAILURES = {"ValidationFailed": "the data was refused", "Crashed": "crashed"}


def describe_version(workspace: Workspace, number: int) -> tuple[str, Notice] | None:
    """Return what there is to tell of a version, and the key by which it is told once.

    None where nothing is: it is no champion any more, or not judged.
    """
    from flows.reviewing import look

    scene = look(workspace)
    version = scene.registry.version(number)
    found = _describe_decision(workspace, scene, version) or _describe_verdict(
        workspace, scene, version
    )
    if found is None:
        return None
    key, notice = found
    return key, replace(notice, numbers=_find_numbers(version))


def describe_failure(workspace: Workspace, run: FlowRun, state: State[Any]) -> Notice:
    """Return what there is to tell of a run that failed or crashed."""
    first, *rest = (state.message or "Prefect's UI says more").splitlines()
    what = _FAILURES.get(state.name or "", "failed")
    return Notice(
        "failed",
        str(workspace.root),
        f"{run.name.partition(',')[0]}: {what}: {first}",
        reasons=tuple(line.strip() for line in rest if line.strip()),
        next=("beholder status",),
    )


def complete(workspace: Workspace, notice: Notice, run: FlowRun) -> Notice:
    """Add what brought a run about, and its page in Prefect's UI."""
    return replace(notice, asked_by=_describe_asking(workspace, run), link=find_page(str(run.id)))


def find_page(run_id: str) -> str:
    """Return the address of a run's page in Prefect's UI."""
    return f"{find_ui()}/runs/flow-run/{run_id}"


def find_ui() -> str:
    """Return the address of Prefect's UI."""
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    return PREFECT_UI_URL.value() or (PREFECT_API_URL.value() or "").removesuffix("/api")


def _describe_decision(
    workspace: Workspace, scene: "Scene", version: "Version"
) -> tuple[str, Notice] | None:
    """Return what the ledger says: that it is champion, or that a person rejected it."""
    standing, number, root = scene.stand(version), version.number, str(workspace.root)
    if standing.state == "rejected" and standing.rejection is not None:
        told = standing.rejection
        says = f"version {number} is rejected by {told.actor}"
        return f"rejected/{number}/{told.sha256}", Notice(
            "rejected", root, says, number, (told.reason,)
        )
    move = scene.chain.position.last_move
    if standing.state != "champion" or move is None or move.version != number:
        return None
    again = " again, by a rollback" if move.evidence.get("purpose") == ROLLBACK else ""
    says = f"version {number} is champion{again} (by {move.actor})"
    next_ = (f"beholder ledger {number}",)
    return f"promoted/{number}/{move.sha256}", Notice(
        "promoted", root, says, number, (move.reason,), next=next_
    )


def _describe_verdict(
    workspace: Workspace, scene: "Scene", version: "Version"
) -> tuple[str, Notice] | None:
    """Return what the gate says of a version that nobody has decided about."""
    from flows.reviewing import explain

    standing, number, root = scene.stand(version), version.number, str(workspace.root)
    reasons = () if version.verdict is None else tuple(version.verdict.reasons)
    _, more = explain(standing, scene.params)
    ways = tuple(line for line in more if line.startswith("beholder "))
    key = f"{number}/{standing.evidence}"
    if scene.params.review.policy == "required":
        asks = {"inconclusive": f"version {number} is inconclusive, and awaits your review"}
        if standing.is_pending:
            asks["awaiting review"] = f"version {number} awaits your review"
        if standing.state in asks:
            notice = Notice("review", root, asks[standing.state], number, reasons, next=ways)
            return f"review/{key}", notice
    if standing.state not in _ENDS:
        return None
    says = f"version {number} {_ENDS[standing.state]}"
    return f"rejected/{key}", Notice("rejected", root, says, number, reasons)


def _find_numbers(version: "Version") -> dict[str, Any]:
    from flows.releases import COMPARISON_TAG

    if COMPARISON_TAG not in version.tags:
        return {}
    return read_numbers(Comparison.from_json(json.loads(version.tags[COMPARISON_TAG])))


def _describe_asking(workspace: Workspace, run: FlowRun) -> str:
    """Return who asked in a run's round, or else what it was started with."""
    if workspace.triggers.exists():
        from flows.asking import open_book

        with open_book(workspace) as book:
            rounds = [one for one in book.latest(20) if one.flow_run == str(run.id)]
        said = [f"{one.kind} ({one.reason})" for found in rounds for one in found.asked]
        if said:
            return ", ".join(dict.fromkeys(said))
    given = run.parameters
    if "decision" in given:
        return f"{given['decision']}, by {given.get('way', 'form')}"
    return str(given.get("reason", ""))

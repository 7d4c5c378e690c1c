"""What the deployment `retrain` does: hears who asked, decides, and retrains or says why not."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from components.batches import data_version, read_batches
from components.locking import hold_lock
from components.params import Params, load_params
from components.paths import Workspace
from components.triggering.book import Book, Round
from components.triggering.policy import Asked, Go, Kind, Skip, decide
from flows.asking import ensure_run, open_book
from flows.feedback import export_all
from flows.pipeline import StepFailedError
from flows.run_page import close_abandoned_runs
from flows.situation import digest_params, look_at

if TYPE_CHECKING:
    from flows.retrain_flow import Outcome

# A training that somebody began in a terminal may take long; a round waits for it.
_WAIT_SECONDS = 12 * 3600.0
# MLflow takes no longer a tag.
_MAX_TAG = 5_000
_MAX_NAME = 120

Learn = Callable[[Workspace, str, Mapping[str, str]], "Outcome"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asker:
    """Who started this flow run, where it was no round that did."""

    kind: Kind
    reason: str
    evidence: Mapping[str, Any]
    key: str | None = None


def answer(
    workspace: Workspace, asker: Asker | None, round_number: int | None, learn: Learn
) -> "Outcome":
    """Hear the open round, once nobody else trains; `learn` is the retraining itself.

    Another flow run may have answered the round of this one meanwhile: then it ends as skipped.
    """
    with open_book(workspace) as book:
        if asker is not None:
            asked = Asked(asker.kind, asker.reason, asker.evidence, time.time())
            round_number = book.ask(asked, asker.key).round
        assert round_number is not None
        if (over := _find_over(book, round_number)) is not None:
            return over
        what = f"{workspace.root} (retrain)"
        with hold_lock(workspace.work_lock, wait_seconds=_WAIT_SECONDS, what=what):
            close_abandoned_runs(workspace)
            if (over := _find_over(book, round_number)) is not None:
                return over
            params = load_params(workspace.params)
            version = data_version(read_batches(workspace))
            now = time.time()
            begun = book.begin(flow_run.get_id() or "", version, digest_params(params), now)
            assert (
                begun is not None
            )  # it is open, somebody is in it, and nobody else holds the lock
            return _hear(workspace, book, begun, params, learn)


def _find_over(book: Book, number: int) -> "Outcome | None":
    """Return the outcome of a flow run that comes too late for its round."""
    from flows.retrain_flow import Outcome

    found = book.find(number)
    if found is None:
        return Outcome("skipped", None, (f"there is no round {number} in the book of triggers",))
    if found.begun_at is None and found.ended_at is None and found.asked:
        return None
    by = f" by flow run {found.flow_run}" if found.flow_run else ""
    became = f": {found.outcome}" if found.outcome else ", which is at work"
    return Outcome("skipped", found.version, (f"round {number} was heard before{by}{became}",))


def _hear(
    workspace: Workspace, book: Book, begun: Round, params: Params, learn: Learn
) -> "Outcome":
    """Decide about a round and carry that out; the book says what came of it, whatever that is."""
    try:
        outcome, evidence, again_at = _work(workspace, book, begun, params, learn)
    except Exception as error:
        refused = isinstance(error, StepFailedError) and error.stage == "validate"
        name = "validation failed" if refused else "failed"
        book.end(begun.number, name, str(error), now=time.time(), data_version=_version(workspace))
        raise
    book.end(
        begun.number,
        outcome.decision,
        "; ".join(outcome.reasons),
        now=time.time(),
        evidence=evidence,
        version=outcome.version,
        data_version=_version(workspace),
    )
    if again_at is not None:
        _hear_again(workspace, book, begun.number, again_at)
    return outcome


def _work(
    workspace: Workspace, book: Book, begun: Round, params: Params, learn: Learn
) -> "tuple[Outcome, dict[str, Any], float | None]":
    from flows.retrain_flow import Outcome

    decision = decide(begun.asked, look_at(workspace, params, book), params.triggers)
    evidence = dict(decision.evidence)
    _show(begun, decision)
    if isinstance(decision, Skip):
        log.info("retraining skipped round=%d reason=%s", begun.number, decision.reason)
        return Outcome("skipped", None, (decision.reason,)), evidence, decision.again_at
    log.info("retraining goes round=%d reason=%s", begun.number, decision.reason)
    export_all(workspace, params)
    outcome = learn(workspace, decision.reason, _tags(begun, decision))
    _offer_review(workspace, outcome)
    return outcome, evidence, None


def _offer_review(workspace: Workspace, outcome: "Outcome") -> None:
    from flows.deciding import offer_review
    from flows.retraining import awaits_person

    if awaits_person(workspace, outcome):
        offer_review(workspace)


def _hear_again(workspace: Workspace, book: Book, number: int, again_at: float) -> None:
    """Let who was put off be heard in a later round, whose flow run is due then."""
    place = book.pass_on(number, time.time())
    if place is not None:
        ensure_run(workspace, book, place, max(again_at - time.time(), 0.0))


def _tags(begun: Round, decision: Go) -> dict[str, str]:
    """Return the tags by which an MLflow run says what triggered it, and by what evidence."""
    kinds = sorted({one.kind for one in begun.asked})
    evidence = json.dumps(dict(decision.evidence), sort_keys=True)
    return {
        "beholder.trigger": ", ".join(kinds),
        "beholder.trigger_round": str(begun.number),
        "beholder.trigger_evidence": evidence[:_MAX_TAG],
    }


def _show(begun: Round, decision: Go | Skip) -> None:
    """Let the flow run's name and tags say what triggered it, and its page by what evidence."""
    from prefect.artifacts import create_markdown_artifact

    run_id = flow_run.get_id()
    if run_id is None:
        return
    kinds = sorted({one.kind for one in begun.asked})
    said = "; ".join(dict.fromkeys(one.reason for one in begun.asked))
    name = f"retrain, {', '.join(kinds)}: {said}"
    with get_client(sync_client=True) as client:
        had = client.read_flow_run(run_id).tags  # type: ignore[arg-type]
        tags = {*had, *kinds, f"round-{begun.number}"}
        client.update_flow_run(run_id, name=name[:_MAX_NAME], tags=tags)  # type: ignore[arg-type]
    verdict = "goes" if isinstance(decision, Go) else "skipped"
    text = json.dumps(dict(decision.evidence), indent=2, sort_keys=True)
    create_markdown_artifact(
        f"# Round {begun.number}: {verdict}\n\n{decision.reason}\n\n```json\n{text}\n```",
        key="trigger",
        description=f"Round {begun.number}: {verdict}",
    )


def _version(workspace: Workspace) -> str:
    return data_version(read_batches(workspace))

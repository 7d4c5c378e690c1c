"""`beholder trigger`: ask the stack for a retraining, and see first what it would cost."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import typer

from components.errors import WorkspaceError
from components.locking import is_held
from components.params import load_params
from components.paths import Workspace
from components.promotion.store import Store
from components.settings import load_settings
from components.triggering.policy import Asked, Situation, Skip, decide, find_lately
from flows.asking import Asking, ask, open_book
from flows.console import show_steps
from flows.pipeline import STAGES, find_stale
from flows.preparing import require_data
from flows.releases import open_registry
from flows.reviewing import store_of
from flows.run_record import find_run
from flows.servers import WORKER
from flows.services import Services
from flows.situation import look_at

# So many versions are looked through for how long each step took last.
_LOOKED_AT = 10


@dataclass(frozen=True)
class Preview:
    """What a retraining would do now: which steps, with the seconds that each took last.

    `unknown` says why nobody can tell which steps, and is empty where that is known; `unheard` says
    what has to run before anybody hears who asks, and is empty where it does.
    """

    situation: Situation
    stale: tuple[str, ...]
    seconds: Mapping[str, float]
    refusal: str | None
    unknown: str = ""
    unheard: str = ""

    @property
    def known_seconds(self) -> float:
        """How long the steps that would run took last, as far as that is known."""
        return sum(self.seconds.get(stage, 0.0) for stage in self.stale)


def trigger_and_show(workspace: Workspace, reason: str, *, dry_run: bool) -> None:
    """Print what a retraining would cost, and ask for it unless this is a dry run."""
    from flows.retraining import connect_prefect

    require_data(workspace)
    for line in describe(preview(workspace, reason)):
        typer.echo(line)
    if dry_run:
        typer.echo("nothing is asked for; without --dry-run it would be")
        return
    with show_steps():
        connect_prefect(workspace)
        asking = ask(workspace, "hand", reason, {"actor": load_settings().actor or ""})
    typer.echo(describe_asking(asking))


def preview(workspace: Workspace, reason: str) -> Preview:
    """Return what a retraining that a person asks for would do now."""
    params = load_params(workspace.params)
    with open_book(workspace) as book:
        situation = look_at(workspace, params, book)
    stale, unknown = _find_steps(workspace, situation)
    by_itself = [Asked("schedule", reason, {}, time.time())]
    decision = decide(by_itself, situation, params.triggers)
    refusal = decision.reason if isinstance(decision, Skip) else None
    unheard = find_unheard(workspace)
    return Preview(situation, stale, read_durations(workspace), refusal, unknown, unheard)


def find_unheard(workspace: Workspace) -> str:
    """Return what does not run and is started, here or by whom, before anybody hears who asks."""
    settings = load_settings()
    alive = {state.name for state in Services(workspace, settings.host).states() if state.healthy}
    if WORKER in alive:
        return ""
    waits = "what is asked for waits for 'beholder up'"
    if workspace.prefect_yaml.exists():
        waits += " or a worker of the work pool"
    waits += "; 'beholder retrain' retrains here and now"
    if settings.prefect_api_url or "prefect" in alive:
        return f"the worker does not run: {waits}"
    return f"nothing runs: asking starts Prefect's server alone, and {waits}"


def _find_steps(workspace: Workspace, situation: Situation) -> tuple[tuple[str, ...], str]:
    """Return the steps that would run, or why that is not to be known: no reason not to ask."""
    if is_held(workspace.work_lock):
        return (), "a training is at work; what it leaves to do comes next"
    if situation.waiting_ratings:  # they become a batch first, so that every step runs
        return STAGES, ""
    try:
        return find_stale(workspace), ""
    except WorkspaceError as error:
        return (), str(error).splitlines()[0]


def read_durations(workspace: Workspace) -> dict[str, float]:
    """Return how many seconds each step took when it last ran for a version."""
    store, found = Store(store_of(workspace)), dict[str, float]()
    for version in open_registry(workspace).versions()[:_LOOKED_AT]:
        run = find_run(store, version.run_id)
        for stage in STAGES:
            seconds = None if run is None else run.metrics.get(f"cost/{stage}/seconds")
            if seconds is not None:
                found.setdefault(stage, seconds)
        if len(found) == len(STAGES):
            break
    return found


def describe(seen: Preview) -> Iterator[str]:
    """Yield what a retraining would cost, a line each."""
    now = seen.situation
    yield (
        f"new        {now.new_ratings:,} ratings, {now.new_items:,} items, "
        f"{now.waiting_ratings:,} ratings of feedback"
    )
    if seen.unknown:
        yield f"steps      not known: {seen.unknown}"
    elif not seen.stale:
        yield "steps      all up to date: nothing would be learnt"
    else:
        steps = ", ".join(_describe_stage(stage, seen.seconds) for stage in seen.stale)
        yield f"steps      {steps}"
        unknown = [stage for stage in seen.stale if stage not in seen.seconds]
        if len(unknown) == len(seen.stale):
            yield "takes      not known yet: none of these steps has run for a version"
        else:
            at_least = "at least " if unknown else ""
            yield f"takes      {at_least}{_minutes(seen.known_seconds)}, as the last time"
    runs = find_lately(now)
    hours = sum(past.seconds for past in runs) / 3600
    yield f"last day   {len(runs)} retrainings, {hours:.1f} hours"
    if seen.refusal is not None:
        yield f"by itself  would be skipped: {seen.refusal}"
    if seen.unheard:
        yield f"stack      {seen.unheard}"


def describe_asking(asking: Asking) -> str:
    """Return in a line where somebody who asked is heard."""
    begins = datetime.fromtimestamp(asking.starts_at, UTC)
    others = ", together with who asked before" if asking.joined else ""
    return (
        f"round {asking.round} is asked for{others}: flow run {asking.flow_run}, due "
        f"{begins:%H:%M:%S} UTC; 'beholder status' shows what comes of it"
    )


def _describe_stage(stage: str, seconds: Mapping[str, float]) -> str:
    return f"{stage} ({_minutes(seconds[stage])})" if stage in seconds else stage


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

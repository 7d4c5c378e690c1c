"""`beholder trace` for people: the chain on one screen, oldest link first; and for programs."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from components.answers.answered import Answered
from components.pages.words import counted
from components.paths import Workspace
from flows.archive import Archive
from flows.ledger_display import describe_kind, describe_reason, shorten
from flows.trace_chain import (
    AnswerTrace,
    BatchLink,
    Descent,
    ItemLink,
    Learner,
    Missing,
    Trace,
    tell_time,
)
from flows.tracing import trace

_LABEL = 13
_SHOWN_BATCHES = 8
_SHOWN_ANSWERS = 3
_SHOWN_ITEMS = 10
_SHORT = 16
_COLOURS = {"promote": "green", "reject": "red", "inconclusive": "yellow"}
# By section: the parameters that say most; the rest is in the run's params.yaml.
_SHOWN_PARAMETERS = (
    "train.family",
    "train.seed",
    "split.strategy",
    "split.test_share",
    "embed.encoder",
    "embed.precision",
)
_SHOWN_METRICS = (
    ("static/rmse", "RMSE"),
    ("static/mae", "MAE"),
    ("static/ndcg", "NDCG"),
    ("static/recall", "recall"),
    ("static/coverage", "coverage"),
)

Line = tuple[str, str]


def trace_and_show(workspace: Workspace, given: str, *, as_json: bool) -> None:
    """Print the chain of what an id names; raises ParameterError if it names nothing."""
    with Archive(workspace) as archive:
        found = trace(archive, given)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    label = None
    for name, line in draw(found):
        shown = "" if name == label or not name else f"[bold]{name}[/]"
        pad = " " * (_LABEL - (len(name) if shown else 0))
        label = name or label
        console.print(f"{shown}{pad}{line}" if name else line, soft_wrap=True)


def draw(found: Trace | Descent | AnswerTrace) -> Iterator[Line]:
    """Yield (label, line) of whatever was found."""
    if isinstance(found, Trace):
        return draw_trace(found)
    return draw_answer(found) if isinstance(found, AnswerTrace) else draw_descent(found)


def draw_answer(found: AnswerTrace) -> Iterator[Line]:
    """Yield (label, line) of what was answered to a request, then of the chain behind it."""
    yield "", f"[bold]request {escape(found.request_id)}[/]"
    if len(found.answers) > 1:
        yield "", f"[dim]callers gave this id to {counted(len(found.answers), 'request')}[/]"
    yield "", ""
    for answer in found.answers[-_SHOWN_ANSWERS:]:
        yield from _draw_one_answer(answer)
    yield "", ""
    if isinstance(found.chain, Missing):
        yield "", _gone(found.chain.missing)
    else:
        yield from draw_trace(found.chain)


def _draw_one_answer(answer: Answered) -> Iterator[Line]:
    key = f", key {escape(answer.caller)}" if answer.caller else ""
    yield (
        "answered",
        f"{_minute(tell_time(answer.at))} UTC  /{answer.route} {_describe_user(answer)} in "
        f"{1000 * answer.seconds:.0f} ms{key}",
    )
    path = f", path {answer.path}" if answer.path else ""
    refreshed = f", catalogue {escape(answer.catalogue)}" if answer.catalogue else ""
    by = f"by version {answer.version}, lineage {escape(answer.lineage_id)}"
    yield "answered", f"{by}{refreshed}{path}"
    names = answer.items or ("the picture",) * len(answer.ratings)
    for row, (name, rating) in enumerate(zip(names, answer.ratings, strict=True)):
        if row == _SHOWN_ITEMS:
            yield "answered", f"[dim]and {len(names) - row:,} more; --json lists all[/]"
            break
        user = f"  for user {escape(answer.users[row])}" if answer.users else ""
        shown = "shown" if rating is None else f"{rating:.4g}"
        yield "answered", f"  {escape(name)}  [dim]{shown}{user}[/]"


def _describe_user(answer: Answered) -> str:
    if answer.user_id is not None:
        return f"for user {escape(answer.user_id)}"
    users = set(answer.users or ())
    return f"for {counted(len(users), 'user')}" if users else "for nobody in particular"


def draw_trace(found: Trace) -> Iterator[Line]:
    """Yield (label, line) of a version's chain; a line without a label stands by itself."""
    yield from _draw_head(found)
    yield from _draw_data(found)
    yield "validation", _tell(found.validation, _describe_validation)
    yield from _draw_run(found)
    yield from _draw_code(found)
    yield "parameters", _tell(found.parameters, _describe_parameters)
    yield "metrics", _tell(found.metrics, _describe_metrics)
    yield from _draw_verdict(found)
    for entry in found.decisions:
        when, what = _minute(entry.time), escape(describe_kind(entry))
        yield "decisions", f"{when}  {what}  [dim]{escape(entry.actor)}[/]"
        if reason := describe_reason(entry):
            yield "decisions", f"  [dim]{escape(shorten(reason))}[/]"
    if not found.decisions:
        yield "decisions", _gone("the ledger tells nothing of it; see 'beholder ledger verify'")
    yield from _draw_bento(found)
    yield from _draw_deployments(found)


def _draw_head(found: Trace) -> Iterator[Line]:
    aliases = "".join(f"  [green]{name}[/]" for name in found.aliases)
    lineage = f", lineage {escape(found.lineage_id)}" if found.lineage_id else ""
    yield "", f"[bold]version {found.version}[/]{lineage}{aliases}"
    also = "".join(f", as version {number}" for number in found.same_lineage)
    yield "", f"[dim]found by {escape(found.found_by)}{also}[/]"
    yield "", ""


def _draw_data(found: Trace) -> Iterator[Line]:
    data = found.data
    if isinstance(data.batches, Missing):
        yield "data", f"version {data.version[:_SHORT]}  {_gone(data.batches.missing)}"
    else:
        totals = ", ".join(
            f"{sum(getattr(batch, what) for batch in data.batches):,} {what}"
            for what in ("ratings", "items", "images")
        )
        yield "data", f"version {data.version[:_SHORT]}: {totals} in {_count(data.batches)}"
        for batch in data.batches[-_SHOWN_BATCHES:]:
            yield "data", f"[dim]{_describe_batch(batch)}[/]{_describe_withdrawal(batch)}"
        if len(data.batches) > _SHOWN_BATCHES:
            more = len(data.batches) - _SHOWN_BATCHES
            yield "data", f"[dim]and {more:,} before them; --json lists all[/]"
    yield "data", _tell(data.outputs, _describe_outputs)


def _draw_run(found: Trace) -> Iterator[Line]:
    run = found.run
    if isinstance(run, Missing):
        yield "run", _gone(run.missing)
        return
    took = "" if run.seconds is None else f", {run.seconds:,.0f} s"
    state = " [yellow](in MLflow's bin)[/]" if run.is_deleted else ""
    yield "run", f"{run.run_id}  {escape(run.name)}{state}"
    where = f"on {run.device}" if run.device else "on an unknown device"
    reason = f", {escape(run.reason)}" if run.reason else ""
    yield "run", f"[dim]{_minute(run.started)} UTC{took}, {run.status.lower()}, {where}{reason}[/]"
    if isinstance(found.artifacts, Missing):
        yield "run", _gone(found.artifacts.missing)


def _draw_code(found: Trace) -> Iterator[Line]:
    code = found.code
    commits = [("commit", code.commit), ("workspace's commit", code.workspace_commit)]
    told = [f"{name} {commit[:12]}" for name, commit in commits if commit]
    yield "code", ", ".join([*told, f"packages {code.packages[:12]}"])
    yield (
        "code",
        _tell(
            code.steps,
            lambda steps: " · ".join(f"{step} {digest[:8]}" for step, digest in steps.items()),
            dim=True,
        ),
    )


def _draw_verdict(found: Trace) -> Iterator[Line]:
    verdict = found.verdict
    if isinstance(verdict, Missing):
        yield "verdict", _gone(verdict.missing)
        return
    colour = _COLOURS.get(verdict.decision, "bold")
    yield "verdict", f"[{colour}]{verdict.decision}[/], trial {verdict.trial or 'missing'}"
    for reason in verdict.reasons:
        yield "verdict", f"[dim]{escape(reason)}[/]"


def _draw_bento(found: Trace) -> Iterator[Line]:
    bento = found.bento
    if isinstance(bento, Missing):
        yield "Bento", _gone(bento.missing)
        return
    damaged = "" if bento.is_whole else "  [red]damaged; serving it packages it anew[/]"
    yield "Bento", f"{bento.tag}  content {bento.content[:_SHORT]}{damaged}"
    yield "Bento", f"[dim]{escape(bento.path)}[/]"


def _draw_deployments(found: Trace) -> Iterator[Line]:
    for entry in found.deployments:
        bento = str(entry.evidence.get("bento") or entry.evidence.get("catalogue") or "")[:_SHORT]
        yield "deployments", f"{_minute(entry.time)}  {escape(entry.reason)}  [dim]{bento}[/]"
    if not found.deployments:
        yield "deployments", "never deployed"
    now = found.now
    if now.url is None:
        yield "deployments", "[dim]no endpoint of this workspace runs now[/]"
    elif now.version == str(found.version):
        yield "deployments", f"[green]answers now[/] at {now.url}"
    else:
        yield "deployments", f"[dim]now version {now.version} answers at {now.url}[/]"


def draw_descent(found: Descent) -> Iterator[Line]:
    """Yield (label, line) of data and the versions that learnt from it."""
    if found.batch is None:
        yield "", f"[bold]{found.kind} {escape(found.id)}[/]"
    else:
        yield "", f"[bold]{_describe_batch(found.batch)}[/]"
        if not found.batch.is_listed:
            yield "", "[yellow]withdrawn: the next retraining learns without it[/]"
    yield "", ""
    if found.item is not None:
        yield from _draw_item(found.item)
    for learner in found.learners:
        yield "learnt by", _describe_learner(learner)
    if not found.learners:
        yield "learnt by", "no version"
    for number, why in found.unknown.items():
        yield "unknown", f"version {number}: {escape(why)}"
    if found.learners:
        yield "", f"[dim]'beholder trace {found.learners[0].version}' shows a version's chain[/]"


def _draw_item(item: ItemLink) -> Iterator[Line]:
    for place, batch in enumerate(item.batches):
        yield "came with", f"batch {batch}" + ("" if place == 0 else ", which tells more of it")
    if not item.batches:
        yield "came with", "[yellow]no batch that is listed any more[/]"
    says = {
        "learnt": "as the champion learnt it",
        "images": f"from its image, since catalogue {item.added}; the champion has not learnt it",
        "prior": f"as an item without image, since catalogue {item.added}; the champion has not "
        "learnt it",
        None: "[yellow]not yet; 'beholder catalogue refresh' takes it up[/]",
    }
    yield "served", says[item.way]
    if not item.is_available:
        yield "served", "[yellow]withdrawn: it is in no list[/]"


def _describe_learner(learner: Learner) -> str:
    when = "" if learner.registered is None else f"  {_minute(learner.registered)}"
    colour = _COLOURS.get(learner.verdict or "", "dim")
    said = f"  [{colour}]{learner.verdict or 'not judged'}[/]"
    names = "".join(f"  [green]{name}[/]" for name in learner.aliases)
    now = "  [green]answers now[/]" if learner.answers_now else ""
    return f"version {learner.version}  lineage {learner.lineage_id or '?'}{when}{said}{names}{now}"


def _describe_batch(batch: BatchLink) -> str:
    counts = (
        f"{counted(batch.ratings, 'rating')}, {counted(batch.items, 'item')}, "
        f"{counted(batch.images, 'image')}"
    )
    return f"batch {batch.id}  {counts}  md5 {batch.md5 or 'unknown'}"


def _describe_withdrawal(batch: BatchLink) -> str:
    return "" if batch.is_listed else "  [yellow]withdrawn since[/]"


def _describe_outputs(outputs: Mapping[str, str]) -> str:
    shown = [f"{path} {md5[:8]}" for path, md5 in outputs.items() if path.startswith("data/")]
    return f"[dim]{' · '.join(shown)}[/]"


def _describe_validation(summary: Mapping[str, Any]) -> str:
    parts, refused = [], []
    for table in ("ratings", "items", "images"):
        counts = summary.get(table)
        if not isinstance(counts, Mapping):
            continue
        parts.append(f"{counts.get('accepted', 0):,} {table}")
        if counts.get("refused"):
            reasons = counts.get("reasons") or {}
            why = ", ".join(f"{escape(str(name))} {count:,}" for name, count in reasons.items())
            refused.append(f"{counts['refused']:,} {table}{f' ({why})' if why else ''}")
    quarantine = f"; quarantined {', '.join(refused)}" if refused else "; nothing quarantined"
    return f"accepted {', '.join(parts)}{quarantine}"


def _describe_parameters(parameters: Mapping[str, str]) -> str:
    shown = [f"{name} {parameters[name]}" for name in _SHOWN_PARAMETERS if name in parameters]
    return f"{escape(', '.join(shown))}  [dim]({len(parameters):,} in all)[/]"


def _describe_metrics(metrics: Mapping[str, float]) -> str:
    shown = [
        f"{label} {metrics[name]:.4f}"
        for name, label in _SHOWN_METRICS
        if name in metrics and math.isfinite(metrics[name])
    ]
    return f"{', '.join(shown)}  [dim]({len(metrics):,} in all)[/]"


def _tell(link: Any, describe: Any, *, dim: bool = False) -> str:
    if isinstance(link, Missing):
        return _gone(link.missing)
    told: str = describe(link)
    return f"[dim]{told}[/]" if dim else told


def _gone(why: str) -> str:
    return f"[yellow]missing: {escape(why)}[/]"


def _minute(time: str) -> str:
    return time[:19].replace("T", " ")


def _count(batches: tuple[BatchLink, ...]) -> str:
    return counted(len(batches), "batch", "batches")

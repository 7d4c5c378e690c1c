"""What is missing or misconfigured here, and the command that mends it."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.errors import BeholderError
from components.pages.words import counted
from components.paths import Workspace, find_workspace

_MIN_FREE_GIB = 2.0

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `mend` is the command or the change that helps."""

    what: str
    state: State
    says: str
    mend: str = ""


def check_machine() -> Iterator[Finding]:
    """Look at what every workspace needs of this machine."""
    version = ".".join(map(str, sys.version_info[:3]))
    right = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Finding(
        "Python", "ok" if right else "wrong", version, "" if right else "use 3.11 or 3.12"
    )
    for tool in ("git", "uv"):
        place = shutil.which(tool) or shutil.which(tool, path=str(Path(sys.executable).parent))
        mend = "" if place else "make setup" if tool == "uv" else "install git"
        yield Finding(tool, "ok" if place else "wrong", place or "not found", mend)
    yield _check_torch()


def _check_torch() -> Finding:
    try:
        import torch
        import torchvision
    except (ImportError, RuntimeError) as error:
        mend = "make clean setup (torch and torchvision must come from one index)"
        return Finding("torch", "wrong", str(error).splitlines()[0], mend)
    if torch.cuda.is_available():
        where = torch.cuda.get_device_name()
    else:
        where = f"CPU, {torch.get_num_threads()} threads"
    return Finding(
        "torch", "ok", f"{torch.__version__}, torchvision {torchvision.__version__}; {where}"
    )


def check_workspace(workspace: Workspace) -> Iterator[Finding]:
    """Look at one workspace: parameters, pipeline, data, remote, disk and servers."""
    from components.params import load_params

    checks: tuple[tuple[str, Callable[[Workspace], Finding]], ...] = (
        ("params.yaml", lambda place: _say("params.yaml", load_params(place.params) and "valid")),
        ("dvc.yaml", _check_pipeline),
        ("data", _check_data),
        ("remote", _check_remote),
        ("disk", _check_disk),
        ("champion", _check_champion),
        ("ledger", _check_ledger),
        ("notify", _check_notifications),
    )
    for what, check in checks:
        try:
            yield check(workspace)
        except BeholderError as error:
            yield Finding(what, "wrong", str(error))
    yield from _check_servers(workspace)
    yield from _check_overrides()


def _say(what: str, says: object) -> Finding:
    return Finding(what, "ok", str(says))


def _check_pipeline(workspace: Workspace) -> Finding:
    from components.data.workspace import read_laid_down

    if not workspace.pipeline.is_file():
        mend = f"beholder init {workspace.root}"
        return Finding("dvc.yaml", "wrong", f"{workspace.pipeline} is missing", mend)
    laid, here = read_laid_down(workspace), importlib.metadata.version("beholder")
    if laid == here:
        return _say("dvc.yaml", f"laid down by this version, {here}")
    return Finding(
        "dvc.yaml",
        "warning",
        f"laid down by {laid or 'hand'}, this is {here}",
        f"compare it with the one that 'beholder init {workspace.root}-new' writes",
    )


def _check_data(workspace: Workspace) -> Finding:
    from components.batches import read_batches
    from components.data.versions import is_batch_intact

    batches = read_batches(workspace)
    if not batches:
        return Finding(
            "data", "warning", "nothing ingested yet", "beholder ingest --items … --ratings …"
        )
    missing = [batch.id for batch in batches if not (workspace.batches / batch.id).is_dir()]
    if missing:
        says = f"{len(missing)} of {len(batches)} batches are not on this disk ({missing[0]})"
        return Finding("data", "wrong", says, "beholder fetch")
    damaged = [batch.id for batch in batches if not is_batch_intact(workspace, batch)]
    if damaged:
        return Finding("data", "wrong", f"batch {damaged[0]} is damaged", "beholder fetch")
    return _say("data", f"{len(batches)} batch(es) on this disk, as they were ingested")


def _check_remote(workspace: Workspace) -> Finding:
    from components.dvc import run_dvc

    # Asked by name, because 'dvc remote list' breaks long addresses into lines.
    name = run_dvc(workspace, "config", "core.remote", check=False)
    if name.returncode or not name.lines:
        return Finding("remote", "wrong", "no default", "dvc remote add -d storage ADDRESS")
    url = run_dvc(workspace, "config", f"remote.{name.lines[-1]}.url", check=False)
    if url.returncode or not url.lines:
        mend = f"dvc remote add {name.lines[-1]} ADDRESS"
        return Finding("remote", "wrong", f"{name.lines[-1]} has no address", mend)
    address = url.lines[-1]
    stored = run_dvc(workspace, "status", "--cloud", "--quiet", check=False)
    if stored.returncode:
        return Finding("remote", "warning", f"not all is in {address}", "dvc push")
    return _say("remote", address)


def _check_disk(workspace: Workspace) -> Finding:
    free = shutil.disk_usage(workspace.root).free / 2**30
    if free < _MIN_FREE_GIB:
        return Finding("disk", "wrong", f"{free:.1f} GiB free", "free some, or 'dvc gc -w'")
    return _say("disk", f"{free:.0f} GiB free")


def _check_champion(workspace: Workspace) -> Finding:
    from flows.releases import open_registry
    from flows.status import describe_drift

    registry = open_registry(workspace)
    drift = registry.find_drift()
    if drift is not None:
        says, mend = describe_drift(drift)
        return Finding("champion", "wrong", says, mend)
    champion = registry.champion()
    if champion is None:
        return Finding("champion", "warning", "none yet", "beholder retrain")
    if registry.ledger.read().position.found:
        says = f"version {champion.number}, put there by hand, past the gate"
        mend = f"beholder rollback --to {champion.number} --reason … (tries it), or another version"
        return Finding("champion", "warning", says, mend)
    return _say("champion", f"version {champion.number}")


def _check_ledger(workspace: Workspace) -> Finding:
    from flows.releases import open_registry

    ledger = open_registry(workspace).ledger
    flaws = ledger.verify()
    if flaws:
        says = f"{ledger.place}: line {flaws[0].line} {flaws[0].says}"
        return Finding("ledger", "wrong", says, "beholder ledger verify")
    entries = counted(len(ledger.read().entries), "entry", "entries")
    return _say("ledger", f"{entries}, unbroken")


def _check_notifications(workspace: Workspace) -> Finding:
    from components.notices.deliveries import read_deliveries
    from components.notices.receiver import find_receiver

    receiver, calls = find_receiver(workspace), read_deliveries(workspace)
    if receiver is None:
        return _say("notify", "nobody is told what happens")
    says = f"{receiver.shown_url} is told of {', '.join(receiver.on)}"
    if calls.last is None or calls.last.arrived:
        return _say("notify", says)
    why = f"{says}; the last call failed: {calls.last.says}"
    return Finding("notify", "warning", why, "beholder notify --test")


def _check_servers(workspace: Workspace) -> Iterator[Finding]:
    from components.settings import load_settings
    from flows.endpoint import answering_version
    from flows.releases import find_champion
    from flows.services import Services

    for service in Services(workspace, load_settings().host).states():
        if service.name == "endpoint" and service.healthy:
            champion, version = find_champion(workspace), answering_version(service.url)
            if champion is None or version != str(champion.number):
                says = f"{service.url} answers with version {version}, which is not the champion"
                yield Finding("endpoint", "wrong", says, "beholder serve --background")
                continue
        if service.healthy and service.managed:
            yield _say(service.name, service.url)
        elif service.managed:
            yield Finding(service.name, "wrong", f"{service.url} does not answer", "beholder down")
        else:
            yield _say(service.name, "not running; started when needed")


def _check_overrides() -> Iterator[Finding]:
    if os.environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "").lower() == "true":
        mend = "unset MLFLOW_ALLOW_PICKLE_DESERIALIZATION"
        yield Finding("environment", "warning", "MLflow may load pickles", mend)


def show_checkup(folder: Path | None) -> int:
    """Print every finding; return 1 if something is wrong, else 0."""
    from rich.console import Console

    from flows.environment import enter

    console = Console(highlight=False)
    findings = check_machine()
    wrong = _print(console, findings)
    try:
        workspace = find_workspace(folder or Path.cwd())
    except BeholderError as error:
        console.print(f"  {error}", style="dim", markup=False, soft_wrap=True)
        return int(wrong)
    console.print(f"\n{workspace.root}", style="bold", markup=False, soft_wrap=True)
    enter(workspace)
    return int(_print(console, check_workspace(workspace)) or wrong)


def _print(console: object, findings: Iterator[Finding]) -> bool:
    from rich.console import Console
    from rich.markup import escape

    assert isinstance(console, Console)
    signs = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "wrong": "[red]✗[/]"}
    wrong = False
    for finding in findings:
        wrong = wrong or finding.state == "wrong"
        mend = f"  →  [bold]{escape(finding.mend)}[/]" if finding.mend else ""
        console.print(
            f"  {signs[finding.state]} {finding.what:<12} {escape(finding.says)}{mend}",
            soft_wrap=True,
        )
    return wrong

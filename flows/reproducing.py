"""`beholder reproduce`: a version learnt again from what its run recorded, beside the version."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape

from components.code import digest_steps
from components.devices import pick_device
from components.errors import BeholderError, CorruptFileError
from components.files import read_parquet, write_bytes
from components.locking import hold_lock
from components.models.bundle import read_digest
from components.pages.words import counted
from components.params import load_params
from components.paths import Workspace
from components.promotion.artifacts import EVALUATION, SERVED, Bundles
from components.promotion.comparison import compare
from components.promotion.registry import Registry, Version
from components.settings import load_settings
from components.training.machine import describe_machine, recall_machine
from flows.archive import Archive
from flows.console import show_steps, step
from flows.data_versions import read_outputs
from flows.lineage import LEARNING_STEPS, find_package_lock
from flows.pipeline import STAGES, StepFailedError
from flows.preparing import draw_stages
from flows.recipe import Recipe, read_recipe
from flows.releases import open_registry
from flows.reproduction import (
    Finding,
    Reproduction,
    Rmse,
    compare_bundle,
    compare_code,
    compare_machine,
    compare_outputs,
    compare_packages,
    read_pins,
)
from flows.scratch import fetch_data, open_scratch, remove_scratch, scratch_folder
from flows.source_code import digest_code, extract_code, find_changed_steps
from flows.tracing import find_version

_SIGNS = {"same": "[green]✓[/]", "differs": "[red]✗[/]", "unknown": "[yellow]?[/]"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Code:
    """The source that the steps run from: what is installed, or an extract of an older commit.

    `changed` are the steps that are not as recorded; None if nothing was recorded.
    """

    digests: Mapping[str, str]
    changed: tuple[str, ...] | None
    folder: Path | None
    says: str


def reproduce_and_show(workspace: Workspace, given: str, *, into: Path | None, keep: bool) -> int:
    """Learn a version again, print what is the same, and return 0 if all is, else 1."""
    with Archive(workspace) as archive:
        version = find_version(archive, given)
        recipe = read_recipe(archive, version)
    folder = into or scratch_folder(workspace, version.number)
    lock = workspace.run / f"reproduce-{version.number}.lock"
    with hold_lock(lock, wait_seconds=0, what=f"the reproduction of version {version.number}"):
        with show_steps() as shown:
            scratch = open_scratch(folder, workspace, recipe)
            found = reproduce(workspace, scratch, recipe)
        print_reproduction(shown.console, found)
        if keep:
            shown.console.print(f"  kept      {scratch.root}", markup=False, soft_wrap=True)
        else:
            remove_scratch(scratch)
    return 0 if found.is_same else 1


def reproduce(workspace: Workspace, scratch: Workspace, recipe: Recipe) -> Reproduction:
    """Run the pipeline in the scratch workspace and compare all that came out; safe to repeat."""
    with step("restore") as now:
        fetched = fetch_data(scratch, recipe)
        now.note = _describe_data(recipe, fetched)
    with step("code") as now:
        code = choose_code(scratch, recipe)
        write_bytes(scratch.code, yaml.safe_dump(dict(code.digests), sort_keys=True).encode())
        now.note = code.says
    with imitate(recipe, code):
        try:
            draw_stages(scratch, STAGES, stale=STAGES)
        except StepFailedError as error:
            raise BeholderError(f"{error}; {scratch.root} holds what was done so far") from error
    with step("compare") as now:
        found = _compare(workspace, scratch, recipe, code)
        now.note = "" if found.rmse is None else f"on {found.rmse.rows:,} test rows"
    return found


def choose_code(scratch: Workspace, recipe: Recipe) -> Code:
    """Return the source that is nearest to what was recorded: that of now, or of its commit."""
    here = digest_steps()
    if recipe.code is None:
        return Code(here, None, None, "the code of now")
    changed = find_changed_steps(recipe.code, here)
    now = Code(here, changed, None, "the code of now")
    if not set(changed) & set(LEARNING_STEPS) or recipe.commit is None:
        return now
    folder = scratch.state / "source" / recipe.commit
    digests = digest_code(folder) if extract_code(recipe.commit, folder) else None
    if digests is None:
        return now
    then = find_changed_steps(recipe.code, digests)
    old = Code(digests, then, folder, f"the code of commit {recipe.commit[:12]}")
    return min((old, now), key=lambda code: len(set(code.changed or ()) & set(LEARNING_STEPS)))


@contextmanager
def imitate(recipe: Recipe, code: Code) -> Iterator[None]:
    """Let the steps that start in the block run from the code, with the recorded threads.

    What was learnt on a CPU is learnt on one again, also where there is a GPU.
    """
    wanted: dict[str, str | None] = {}
    if code.folder is not None:
        wanted["PYTHONPATH"] = str(code.folder)
    machine = recipe.machine
    if machine is not None:
        threads = machine.get("threads")
        wanted["BEHOLDER_THREADS"] = None if threads is None else str(threads)
        if machine.get("device") == "cpu":
            wanted["BEHOLDER_DEVICE"] = "cpu"
        default = describe_machine("cpu", load_settings())["default_threads"]
        if machine.get("default_threads") not in (None, default):
            wanted["OMP_NUM_THREADS"] = str(machine["default_threads"])
    before = {name: os.environ.get(name) for name in wanted}
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _describe_data(recipe: Recipe, fetched: int) -> str:
    batches = counted(len(recipe.batches), "batch", "batches")
    counts = (sum(getattr(b, what) for b in recipe.batches) for what in ("ratings", "images"))
    ratings, images = counts
    state = "" if fetched else ", there already"
    return f"{batches}, {counted(ratings, 'rating')}, {counted(images, 'image')}{state}"


def _compare(workspace: Workspace, scratch: Workspace, recipe: Recipe, code: Code) -> Reproduction:
    version, tags = recipe.version, recipe.version.tags
    recorded = _download(open_registry(workspace), version, scratch)
    here = recall_machine(scratch, read_digest(scratch.evaluation_bundle)) or _here()
    return Reproduction(
        version=version.number,
        causes=(
            Finding("data", "same", f"version {tags.get('beholder.data_version', '?')[:16]}"),
            compare_code(code.changed, LEARNING_STEPS, code.says),
            compare_packages(*_packages(recipe, here)),
            compare_machine(recipe.machine, here),
        ),
        results=(
            *compare_outputs(recipe.outputs, read_outputs(scratch.lock)),
            compare_bundle(
                "evaluation bundle",
                tags.get(f"beholder.{EVALUATION}"),
                None if recorded is None else recorded.evaluation,
                scratch.evaluation_bundle,
            ),
            compare_bundle(
                "served bundle",
                tags.get(f"beholder.{SERVED}"),
                None if recorded is None else recorded.served,
                scratch.served_bundle,
            ),
        ),
        rmse=None if recorded is None else _measure(workspace, scratch, recorded),
        uses_gpu="cuda" in (here["device"], (recipe.machine or {}).get("device")),
    )


def _download(registry: Registry, version: Version, scratch: Workspace) -> Bundles | None:
    """Return the recorded bundles, verified; None, and a warning, where the store lost them."""
    try:
        return registry.download(version, scratch.state / "recorded")
    except (CorruptFileError, FileNotFoundError) as error:
        log.warning("recorded bundles are lost, so only digests are compared: %s", error)
        return None


def _packages(
    recipe: Recipe, here: Mapping[str, Any]
) -> tuple[Mapping[str, str] | None, Mapping[str, str]]:
    """Return the packages of then and of now: what was installed, else what the lock files say."""
    if recipe.machine is not None:
        return recipe.machine["packages"], here["packages"]
    now = read_pins(find_package_lock().read_text())
    if recipe.packages is None:
        return None, now
    then = read_pins(recipe.packages)
    return {name: then[name] for name in here["packages"] if name in then}, now


def _here() -> dict[str, Any]:
    settings = load_settings()
    return describe_machine(pick_device(settings), settings)


def _measure(workspace: Workspace, scratch: Workspace, recorded: Bundles) -> Rmse:
    """Score both evaluation bundles on the test rows; the gate's own comparison does it."""
    found = compare(
        scratch.evaluation_bundle,
        recorded.evaluation,
        {},
        read_parquet(scratch.split / "test.parquet"),
        load_params(workspace.params).gate,
    )
    assert found.champion is not None
    assert found.difference is not None
    return Rmse(found.candidate.rmse.value, found.champion.rmse.value, found.difference, found.rows)


def print_reproduction(console: Console, found: Reproduction) -> None:
    """Print every finding, then the answer in a line."""
    console.print()
    for finding in (*found.causes, *found.results):
        line = f"  {_SIGNS[finding.state]} {finding.what:<17} {escape(finding.says)}"
        console.print(line, soft_wrap=True)
    if (rmse := found.rmse) is not None:
        gap = rmse.difference
        console.print(
            f"    {'RMSE':<17} {rmse.again:.6f}, recorded {rmse.recorded:.6f}: {gap.value:+.2g} "
            f"({gap.low:+.2g} to {gap.high:+.2g}) on {rmse.rows:,} test rows",
            soft_wrap=True,
        )
    console.print(f"\n{describe_answer(found)}", soft_wrap=True)


def describe_answer(found: Reproduction) -> str:
    """Return whether a version is reproduced, and if not what differs first."""
    name = f"version {found.version}"
    if found.is_same:
        return f"[green]{name} is reproduced to the bit[/]: both bundles are the same"
    first = found.first
    what = "it cannot be told" if first is None else f"first to differ: {first.what}"
    causes = [cause.what for cause in found.causes if cause.state == "differs"]
    because = f"; what it is made from differs in {', '.join(causes)}" if causes else ""
    gpu = "; what a GPU computes is not promised to be the same to the bit" * found.uses_gpu
    return f"[red]{name} is not reproduced to the bit[/], {what}{because}{gpu}"

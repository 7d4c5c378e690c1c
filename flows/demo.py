"""`beholder demo`: the main job from an empty folder to an answer, on drawn prints."""

import os
import sys
from pathlib import Path

import httpx
import pandas as pd
from rich.console import Console

from components.code import refresh_code
from components.errors import BeholderError
from components.files import read_parquet
from components.params import write_values
from components.paths import Workspace
from components.settings import load_settings
from flows.console import show_steps, step
from flows.credentials import describe_login
from flows.environment import enter
from flows.releases import require_champion
from flows.servers import mlflow_server
from flows.services import Services
from flows.status import read_comparison, score_table

_SEED = 0
_RUNG = "biases"
# The template suits pictures that say little of tastes; here tastes come from them. Chosen on valid
# rows of the drawn ratings.
_TRUST_IN_IMAGES = {
    "families.hybrid.factors": 4,
    "families.hybrid.image_factors": 64,
    "families.hybrid.factor_prior": 5.0,
    "families.hybrid.image_prior": 100.0,
    "families.hybrid.image_bias_prior": 100.0,
    "families.hybrid.new_items.image_bias_prior": 100.0,
    "families.hybrid.new_items.taste_prior": 300.0,
}


def run_demo(folder: Path) -> None:
    """Draw, ingest, train, promote and serve; print what answers and how good it is.

    Safe to repeat: what is up to date is left alone.
    """
    from flows.retraining import connect_prefect, print_outcome, run_retrain

    with show_steps() as shown:
        workspace = _prepare(folder)
        drawn = _draw(workspace)
        _ingest(workspace, drawn)
        prefect = connect_prefect(workspace)
        outcome = run_retrain(workspace, "demo")
        endpoint = _serve(workspace)
        with step("mlflow") as now:
            mlflow = now.note = _show_runs(workspace)
    console = shown.console
    print_outcome(console, outcome)
    _print_scores(console, workspace, drawn)
    _print_answer(console, workspace, endpoint)
    _print_places(console, workspace, folder, endpoint, mlflow, prefect)


def _prepare(folder: Path) -> Workspace:
    from components.data.workspace import init_workspace

    with step("init") as now:
        known = (folder / "params.yaml").exists()
        workspace = init_workspace(folder)
        if not known:
            loosen_images(workspace.params)
        enter(workspace)
        refresh_code(workspace)
        now.cached, now.note = known, str(workspace.root)
    return workspace


def loosen_images(params: Path) -> None:
    """Write what the demo's pictures deserve into a params.yaml.

    Called when the workspace is made and never again, so that whoever changes it keeps the change.
    """
    write_values(params, dict(_TRUST_IN_IMAGES))


def _drawn_folder(workspace: Workspace) -> Path:
    return workspace.state / "demo"


def _draw(workspace: Workspace) -> Path:
    from components.data.demo import draw_demo

    folder = _drawn_folder(workspace)
    with step("draw") as now:
        now.cached = (folder / "truth.parquet").is_file()
        if not now.cached:
            draw_demo(folder, seed=_SEED)
        now.note = "art prints and simulated tastes, no real people"
    return folder


def _ingest(workspace: Workspace, drawn: Path) -> None:
    from components.batches import read_batches
    from components.data.ingest import ingest
    from components.params import load_params

    with step("ingest") as now:
        now.cached = bool(read_batches(workspace))
        if not now.cached:
            result = ingest(
                workspace,
                load_params(workspace.params),
                items=drawn / "items.csv",
                images=drawn / "images",
                ratings=drawn / "ratings.csv",
            )
            now.note = f"{result.batch.ratings:,} ratings, {result.batch.images:,} images"


def _serve(workspace: Workspace) -> str:
    from flows.endpoint import deploy

    with step("serve") as now:
        champion, url = deploy(workspace, restart="if needed")
        now.note = f"version {champion.number} at {url}"
    return url


def _show_runs(workspace: Workspace) -> str:
    return load_settings().mlflow_tracking_uri or Services(workspace).ensure(
        mlflow_server(workspace)
    )


def _print_scores(console: Console, workspace: Workspace, drawn: Path) -> None:
    from components.data.demo import best_rmse

    comparison = read_comparison(require_champion(workspace))
    console.print()
    console.print(score_table(comparison))
    test = read_parquet(workspace.split / "test.parquet")
    best = best_rmse(read_parquet(drawn / "truth.parquet"), test)
    biases = comparison.ladder[_RUNG].score.rmse.value
    share = (biases - comparison.candidate.rmse.value) / (biases - best)
    console.print(
        f"         best possible on this data {best:.4f}: {share:.0%} of the way there from {_RUNG}"
    )


def _print_answer(console: Console, workspace: Workspace, endpoint: str) -> None:
    user = _liveliest_user(workspace)
    answer = httpx.post(f"{endpoint}/recommend", json={"user_id": user, "k": 3}, timeout=30)
    if answer.is_error:
        raise BeholderError(f"{endpoint}/recommend answered {answer.status_code}: {answer.text}")
    body = answer.json()
    console.print(f"\n[bold]what user {user} would like[/]  by version {body['model']['version']}")
    for item in body["items"]:
        console.print(
            f"  {item['rating']:.2f}  {item['title']}  [dim]{item['category']}, "
            f"{item['item_id']}[/]"
        )


def _liveliest_user(workspace: Workspace) -> str:
    ratings: pd.DataFrame = read_parquet(workspace.accepted / "ratings.parquet", ["user_id"])
    return str(ratings["user_id"].value_counts(sort=True).index[0])


def _print_places(
    console: Console, workspace: Workspace, folder: Path, endpoint: str, mlflow: str, prefect: str
) -> None:
    report = workspace.evaluation_report / "report.html"
    where = os.path.relpath(folder)
    lines = (
        ("endpoint", f"{endpoint}  (a page to try it)"),
        ("report", str(report)),
        ("MLflow", f"{mlflow}/#/models"),
        *([] if load_settings().mlflow_tracking_uri else [("", describe_login(workspace))]),
        ("Prefect", f"{prefect}/runs"),
        *(
            (name, f"{_command()} {name} -w {where}")
            for name in ("status", "recommend USER", "down")
        ),
    )
    console.print()
    for name, place in lines:
        console.print(f"  [bold]{name.partition(' ')[0]:<9}[/] {place}", soft_wrap=True)


def _command() -> str:
    """Return `beholder` as this person can type it: by its path where no environment is active."""
    if "VIRTUAL_ENV" in os.environ:
        return "beholder"
    return os.path.relpath(Path(sys.executable).with_name("beholder"))

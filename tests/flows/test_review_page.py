"""The page for the reviewer over a workspace with real bundles, runs and a registry."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.batches import IMAGE_FOLDER, Batch, batch_folder, write_batches
from components.costs import StepCost
from components.errors import WorkspaceError
from components.files import write_parquet
from components.models.bundle import Bundle, save_bundle, seal_bundle
from components.params import load_params
from components.paths import Workspace
from components.promotion.comparison import compare
from components.promotion.registry import Version
from flows import candidate
from flows.lineage import read_lineage
from flows.pipeline import STAGES, StageRun
from flows.releases import COMPARISON_TAG, open_registry
from flows.review_page import PAGE_TAG, make_review_page, page_path
from flows.run_record import read_run
from flows.tracking import TrackedRun
from tests.flows.test_candidate import TRIAL
from tests.review.making import ITEMS, Rating, make_bundle

TRAIN: list[Rating] = [(f"u{u}", ITEMS[i], 1.0 + i) for u in range(8) for i in range(4)]
TEST: list[Rating] = [(f"u{u}", ITEMS[i], 4.0) for u in range(8) for i in (4, 5)]


@dataclass(frozen=True)
class Shop:
    """A workspace in which versions come into being as `retrain` makes them, without learning."""

    workspace: Workspace
    pictures: tuple[bytes, ...]

    def retrain(self, *, mean: float, ratings: int = 10) -> Version:
        """Make, register and judge a version that rates everything around `mean`."""
        self._ingest(ratings)
        names = [sha256(picture).hexdigest() for picture in self.pictures]
        evaluation = make_bundle(TRAIN, mean=mean, images=names)
        served = make_bundle([*TRAIN, *TEST], mean=mean, images=names)
        self._write(evaluation, self.workspace.evaluation_bundle)
        self._write(served, self.workspace.served_bundle)
        self._write(make_bundle(TRAIN, mean=1.0), self.workspace.ladder / "mean", family="mean")
        params = load_params(self.workspace.params)
        run = candidate.track(self.workspace, params, "a test")
        done = StageRun("train", ran=True, seconds=12.5, cost=StepCost(640.0, "cpu"))
        candidate.log_cost(run, done)
        candidate.log_cost(run, StageRun("embed", ran=False, seconds=0.1))
        lineage = read_lineage(self.workspace, params)
        run.log_json(lineage.to_json(), "lineage.json")
        run.log_results(self.workspace)
        version = candidate.register(self.workspace, run, lineage)
        self.judge(version)
        return open_registry(self.workspace).version(version.number)

    def judge(self, version: Version) -> None:
        """Let the gate judge a version beside the champion of now, and make it champion if so."""
        registry, params = open_registry(self.workspace), load_params(self.workspace.params)
        champion = registry.champion()
        folders = candidate.workspace_bundles(self.workspace)
        beside = None
        if champion is not None:
            place = self.workspace.state / "versions" / str(champion.number)
            beside = registry.download(champion, place).evaluation
        test = make_test()
        ladder = {"mean": self.workspace.ladder / "mean"}
        held = compare(folders.evaluation, beside, ladder, test, params.gate)
        text = json.dumps(held.to_json(), sort_keys=True)
        registry.annotate(version, COMPARISON_TAG, text)
        candidate.decide(self.workspace, version, champion, held, TRIAL, params)

    def set_gate(self, **changes: Any) -> None:
        content = yaml.safe_load(self.workspace.params.read_text())
        content["gate"].update(changes)
        self.workspace.params.write_text(yaml.safe_dump(content))

    def _ingest(self, ratings: int) -> None:
        import pandas as pd

        batch = Batch("ab" * 8, "ab" * 32, len(ITEMS), len(self.pictures), ratings)
        write_batches(self.workspace, (batch,))
        folder = batch_folder(self.workspace, batch.id)
        rows = []
        for picture in self.pictures:
            name = sha256(picture).hexdigest()
            place = folder / IMAGE_FOLDER / f"{name}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(picture)
            rows.append((name, place.name, place.name, len(picture)))
        frame = pd.DataFrame(rows, columns=["sha256", "file", "source", "bytes"])
        write_parquet(folder / "images.parquet", frame)

    def _write(self, bundle: Bundle, folder: Path, family: str = "biases") -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        save_bundle(replace(bundle, family=family), folder)
        seal_bundle(folder)


def make_test() -> Any:
    import pandas as pd

    rows = pd.DataFrame(TEST, columns=["user_id", "item_id", "rating"])
    return rows.assign(timestamp=range(len(rows)))


@pytest.fixture
def shop(workspace: Workspace, draw: Callable[[int], bytes]) -> Shop:
    workspace.code.write_text(yaml.safe_dump(dict.fromkeys(STAGES, "0")))
    stages = {"train": {"outs": [{"path": "models/evaluation", "md5": "d" * 32}]}}
    workspace.lock.write_text(yaml.safe_dump({"stages": stages}))
    made = Shop(workspace, tuple(draw(seed) for seed in range(8)))
    slices = {"min_rows": 4, "min_users": 2, "margin": 0.05, "margins": {}, "must_hold": []}
    made.set_gate(min_rows=4, min_users=2, bootstrap=200, slices=slices)
    return made


def run_of(shop: Shop, version: Version) -> TrackedRun:
    from components.promotion.store import Store

    record = read_run(Store(f"sqlite:///{shop.workspace.state / 'mlflow.db'}"), version.run_id)
    assert record.run is not None
    return record.run


def logged(shop: Shop, version: Version) -> str:
    run = run_of(shop, version)
    client = run.store.client
    return Path(client.download_artifacts(run.run_id, "review/review.html")).read_text()


def test_page_of_a_first_version_stands_beside_the_ladder_and_is_logged(shop: Shop):
    version = shop.retrain(mean=3.5)
    path = make_review_page(shop.workspace, version)
    html = path.read_text()
    assert path == page_path(shop.workspace, 1)
    assert "version 1 of beholder" in html
    assert "against the simple rules" in html
    assert "10 ratings, 12 items and 8 images" in html
    assert "data:image/jpeg;base64," in html
    assert str(shop.workspace.root) not in html
    assert logged(shop, version) == html


def test_page_tells_what_changed_since_the_champion(shop: Shop):
    first = shop.retrain(mean=3.0)
    open_registry(shop.workspace).promote(first, None)
    shop.set_gate(level=0.9)
    version = shop.retrain(mean=3.6, ratings=25)
    html = make_review_page(shop.workspace, version).read_text()
    assert "Version 2 predicts ratings better than version 1, the champion." in html
    changes = html[html.index('id="changes"') : html.index('id="shown"')]
    assert "<code>gate.level</code>" in changes
    assert "<del>0.95</del>" in changes
    assert "<ins>0.9</ins>" in changes
    assert "The same in every step" in changes
    assert "12.5 s" in html
    assert "640 MB" in html
    assert "d" * 32 in html
    losers = html[html.index('id="losers"') : html.index('id="lineage"')]
    assert "<strong" in losers


def test_page_that_stands_is_left_alone_and_one_judged_anew_is_made_anew(shop: Shop):
    version = shop.retrain(mean=3.5)
    path = make_review_page(shop.workspace, version)
    before = path.stat().st_mtime_ns
    first = path.read_bytes()
    make_review_page(shop.workspace, version)
    assert path.stat().st_mtime_ns == before
    path.unlink()
    make_review_page(shop.workspace, version)
    assert path.read_bytes() == first
    shop.set_gate(min_rows=10_000)
    shop.judge(version)
    version = open_registry(shop.workspace).version(version.number)
    html = make_review_page(shop.workspace, version).read_text()
    assert "10,000 are needed" in html
    assert logged(shop, version) == html


def test_page_whose_logging_was_cut_off_is_logged_by_the_next_call(shop: Shop):
    version = shop.retrain(mean=3.5)
    path = make_review_page(shop.workspace, version)
    run = run_of(shop, version)
    run.set_tags({PAGE_TAG: "what a kill left"})
    root = shop.workspace.state / "mlartifacts"
    (page,) = root.glob(f"**/{run.run_id}/artifacts/review/review.html")
    page.write_text("half of a p")
    make_review_page(shop.workspace, version)
    assert page.read_bytes() == path.read_bytes()


def test_pictures_that_are_gone_are_said_and_shown_once_they_are_back(shop: Shop):
    version = shop.retrain(mean=3.5)
    folder = next(shop.workspace.batches.iterdir()) / IMAGE_FOLDER
    away = folder.with_name("away")
    folder.rename(away)
    path = make_review_page(shop.workspace, version)
    assert "picture not in this workspace" in path.read_text()
    away.rename(folder)
    assert (
        "picture not in this workspace" not in make_review_page(shop.workspace, version).read_text()
    )


def test_picture_that_cannot_be_decoded_is_as_good_as_gone(shop: Shop):
    version = shop.retrain(mean=3.5)
    for picture in (next(shop.workspace.batches.iterdir()) / IMAGE_FOLDER).iterdir():
        picture.write_bytes(b"no picture")
    assert "picture not in this workspace" in make_review_page(shop.workspace, version).read_text()


def test_version_that_was_never_judged_is_refused_with_the_next_command(
    workspace: Workspace, place_bundles: Callable[..., Any], register: Callable[..., Version]
):
    place_bundles(workspace)
    with pytest.raises(WorkspaceError, match=r"never judged.*'beholder retrain'"):
        make_review_page(workspace, register(workspace))


def test_run_that_is_gone_leaves_a_page_that_says_what_is_not_kept(shop: Shop):
    first = shop.retrain(mean=3.0)
    open_registry(shop.workspace).promote(first, None)
    version = shop.retrain(mean=3.6)
    run = run_of(shop, version)
    run.store.client.delete_run(run.run_id)
    html = make_review_page(shop.workspace, version).read_text()
    assert "does not keep what the steps cost" in html
    assert "One of the two runs does not keep this" in html


def test_damaged_inputs_of_a_run_are_told_as_not_kept(shop: Shop):
    first = shop.retrain(mean=3.0)
    open_registry(shop.workspace).promote(first, None)
    inputs = shop.workspace.state / "mlartifacts"
    for name in ("params.yaml", "batches.json", "dvc.lock"):
        for path in inputs.glob(f"**/{first.run_id}/artifacts/inputs/{name}"):
            path.write_text("{")
    version = shop.retrain(mean=3.6)
    html = make_review_page(shop.workspace, version).read_text()
    assert html.count("One of the two runs does not keep this") == 2


def test_of_two_versions_that_share_the_champions_model_the_judged_one_is_named(shop: Shop):
    first = shop.retrain(mean=3.0)
    open_registry(shop.workspace).promote(first, None)
    twin = shop.retrain(mean=3.0)
    html = make_review_page(shop.workspace, twin).read_text()
    assert twin.number == first.number
    assert "Nobody: both models predict the same for everybody" in html


def test_page_leaves_no_leftovers(shop: Shop):
    version = shop.retrain(mean=3.5)
    path = make_review_page(shop.workspace, version)
    assert [one.name for one in path.parent.iterdir()] == ["review.html"]

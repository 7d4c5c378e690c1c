"""The page for the reviewer over a workspace with real bundles, runs and a registry."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from components.batches import IMAGE_FOLDER, Batch, batch_folder, read_batches, write_batches
from components.costs import StepCost
from components.errors import WorkspaceError
from components.files import write_parquet
from components.models.bundle import Bundle, save_bundle, seal_bundle
from components.params import load_params
from components.paths import Workspace
from components.promotion.comparison import compare
from components.promotion.registry import Version
from components.promotion.store import Store
from components.settings import load_settings
from flows import candidate
from flows.lineage import read_lineage
from flows.pipeline import STAGES, StageRun
from flows.provenance import read_run
from flows.releases import COMPARISON_TAG, open_registry
from flows.review_page import PAGE_TAG, make_review_page, page_path
from flows.reviewing import look
from flows.tracking import TrackedRun
from tests.flows.conftest import PASSED, copy_workspace
from tests.flows.test_candidate import TRIAL
from tests.review.making import ITEMS, Rating, make_bundle

TRAIN: list[Rating] = [(f"u{u}", ITEMS[i], 1.0 + i) for u in range(8) for i in range(4)]
TEST: list[Rating] = [(f"u{u}", ITEMS[i], 4.0) for u in range(8) for i in (4, 5)]


@dataclass(frozen=True)
class Shop:
    """A workspace in which versions come into being as `retrain` makes them, without learning."""

    workspace: Workspace
    pictures: tuple[bytes, ...]

    def retrain(self, *, mean: float, ratings: int = 10, served: float | None = None) -> Version:
        """Make, register and judge a version that rates everything around `mean`."""
        self._ingest(ratings)
        names = [sha256(picture).hexdigest() for picture in self.pictures]
        evaluation = make_bundle(TRAIN, mean=mean, images=names)
        answering = make_bundle([*TRAIN, *TEST], mean=served or mean, images=names)
        self._write(evaluation, self.workspace.evaluation_bundle)
        self._write(answering, self.workspace.served_bundle)
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
        open_registry(self.workspace).mark_trial(version, PASSED)
        return self.judge(version)

    def judge(self, version: Version) -> Version:
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
        return registry.version(version.number)

    def set_gate(self, **changes: Any) -> None:
        content = yaml.safe_load(self.workspace.params.read_text())
        content["gate"].update(changes)
        self.workspace.params.write_text(yaml.safe_dump(content))

    def set_policy(self, policy: str) -> None:
        content = yaml.safe_load(self.workspace.params.read_text())
        content["review"]["policy"] = policy
        self.workspace.params.write_text(yaml.safe_dump(content))

    def _ingest(self, ratings: int) -> None:
        sha256_of_rows = f"{ratings:02x}" * 32
        counts = (len(ITEMS), len(self.pictures), ratings)
        batch = Batch(sha256_of_rows[:16], sha256_of_rows, *counts)
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


def make_test() -> pd.DataFrame:
    rows = pd.DataFrame(TEST, columns=["user_id", "item_id", "rating"])
    return rows.assign(timestamp=range(len(rows)))


@pytest.fixture(scope="module")
def shop(
    empty_workspace: Workspace,
    draw: Callable[[int], bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    workspace = copy_workspace(empty_workspace, tmp_path_factory.mktemp("shop"))
    workspace.code.write_text(yaml.safe_dump(dict.fromkeys(STAGES, "0")))
    stages = {"train": {"outs": [{"path": "models/evaluation", "md5": "d" * 32}]}}
    workspace.lock.write_text(yaml.safe_dump({"stages": stages}))
    made = Shop(workspace, tuple(draw(seed) for seed in range(8)))
    slices = {"min_rows": 4, "min_users": 2, "margin": 0.05, "margins": {}, "must_hold": []}
    made.set_gate(min_rows=4, min_users=2, bootstrap=200, slices=slices)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BEHOLDER_WORKSPACE", "MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
            patch.delenv(name, raising=False)
        load_settings.cache_clear()
        yield made
    load_settings.cache_clear()


@pytest.fixture(scope="module")
def first(shop: Shop) -> Version:
    """The first version, which becomes champion."""
    version = shop.retrain(mean=3.0)
    open_registry(shop.workspace).promote(version, None)
    return version


@pytest.fixture(scope="module")
def better(shop: Shop, first: Version) -> Version:
    """A better one, of more data, judged by another policy."""
    shop.set_gate(level=0.9)
    return shop.retrain(mean=3.6, ratings=25)


@pytest.fixture
def run(shop: Shop, better: Version) -> TrackedRun:
    """The run of the better one."""
    return run_of(shop, better)


def run_of(shop: Shop, version: Version) -> TrackedRun:
    record = read_run(Store(f"sqlite:///{shop.workspace.state / 'mlflow.db'}"), version.run_id)
    assert record.run is not None
    return record.run


def make(shop: Shop, version: Version) -> str:
    return make_review_page(shop.workspace, version).read_text()


def make_anew(shop: Shop, version: Version) -> str:
    page_path(shop.workspace, version.number).unlink(missing_ok=True)
    return make(shop, version)


def find_images(shop: Shop) -> Path:
    (batch,) = read_batches(shop.workspace)
    return batch_folder(shop.workspace, batch.id) / IMAGE_FOLDER


def logged(run: TrackedRun) -> Path:
    assert run.store.artifact_root is not None
    (page,) = run.store.artifact_root.glob(f"**/{run.run_id}/artifacts/review/review.html")
    return page


def test_page_of_a_first_version_stands_beside_the_ladder_and_is_logged(shop: Shop, first: Version):
    html = make(shop, first)
    assert "version 1 of beholder" in html
    assert "against the simple rules" in html
    assert "10 ratings, 12 items and 8 images" in html
    assert "data:image/jpeg;base64," in html
    assert str(shop.workspace.root) not in html
    assert logged(run_of(shop, first)).read_text() == html
    folder = page_path(shop.workspace, 1).parent
    assert [path.name for path in folder.iterdir()] == ["review.html"]


def test_page_tells_what_changed_since_the_champion(shop: Shop, better: Version):
    html = make(shop, better)
    assert "Version 2 predicts ratings better than version 1, the champion." in html
    changes = html[html.index('id="changes"') : html.index('id="shown"')]
    for expected in (
        "<code>gate.<wbr>level</code>",
        "<del>0.95</del>",
        "<ins>0.9</ins>",
        "+25",
        "The same in every step",
    ):
        assert expected in changes
    for expected in ("12.5 s", "640 MB", "was up to date", "d" * 32, better.run_id):
        assert expected in html


def test_approval_on_the_page_names_the_numbers_as_the_review_does(shop: Shop, better: Version):
    shop.set_policy("required")
    try:
        html = make(shop, better)
    finally:
        shop.set_policy("auto")
    assert f"--seen {look(shop.workspace).stand(better).evidence}</span>" in html


def test_page_that_stands_is_left_alone_and_one_that_is_lost_is_the_same_again(
    shop: Shop, better: Version
):
    html = make(shop, better)
    path = page_path(shop.workspace, better.number)
    before = path.stat().st_mtime_ns
    assert make(shop, better) == html
    assert path.stat().st_mtime_ns == before
    assert make_anew(shop, better) == html


def test_page_whose_logging_was_cut_off_is_logged_by_the_next_call(
    shop: Shop, better: Version, run: TrackedRun
):
    html = make(shop, better)
    run.set_tags({PAGE_TAG: "what a kill left"})
    page = logged(run)
    page.write_text("half of a p")
    make(shop, better)
    assert logged(run).read_text() == html


def test_pictures_that_are_gone_are_said_and_shown_once_they_are_back(shop: Shop, better: Version):
    folder = find_images(shop)
    away = folder.with_name("away")
    folder.rename(away)
    try:
        assert "picture not in this workspace" in make_anew(shop, better)
    finally:
        away.rename(folder)
    assert "picture not in this workspace" not in make(shop, better)


def test_picture_that_cannot_be_decoded_is_as_good_as_gone(shop: Shop, better: Version):
    folder = find_images(shop)
    contents = {path: path.read_bytes() for path in folder.iterdir()}
    for path in contents:
        path.write_bytes(b"no picture")
    try:
        assert "picture not in this workspace" in make_anew(shop, better)
    finally:
        for path, content in contents.items():
            path.write_bytes(content)


def test_run_that_is_gone_leaves_a_page_that_says_what_is_not_kept(
    shop: Shop, better: Version, run: TrackedRun
):
    run.store.client.delete_run(run.run_id)
    try:
        html = make_anew(shop, better)
    finally:
        run.store.client.restore_run(run.run_id)
    assert "does not keep what the steps cost" in html
    assert html.count("One of the two runs does not keep this") == 4


def test_damaged_inputs_of_the_champions_run_are_told_as_not_kept(
    shop: Shop, first: Version, better: Version
):
    inputs = Path(logged(run_of(shop, first))).parents[1] / "inputs"
    contents = {path: path.read_bytes() for path in inputs.iterdir()}
    for name in ("params.yaml", "batches.json", "dvc.lock"):
        (inputs / name).write_text("{")
    try:
        html = make_anew(shop, better)
    finally:
        for path, content in contents.items():
            path.write_bytes(content)
    assert html.count("One of the two runs does not keep this") == 2


def test_version_that_is_judged_anew_gets_a_new_page(shop: Shop, better: Version, run: TrackedRun):
    make(shop, better)
    shop.set_gate(min_rows=10_000)
    try:
        html = make(shop, shop.judge(better))
    finally:
        shop.set_gate(min_rows=4)
    assert "10,000 are needed" in html
    assert logged(run).read_text() == html


def test_version_of_the_champions_model_is_shown_beside_the_champion_and_not_itself(
    shop: Shop, first: Version
):
    twin = shop.retrain(mean=3.0, served=3.1)
    assert twin.number != first.number
    assert "is the very model of version 1, the champion" in make(shop, twin)


def test_version_that_was_never_judged_is_refused_with_the_next_command(shop: Shop, first: Version):
    unjudged = replace(first, tags={})
    with pytest.raises(WorkspaceError, match=r"never judged.*'beholder retrain'"):
        make_review_page(shop.workspace, unjudged)

"""The step `evaluate`: files in, files out."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from components.errors import CorruptFileError, DataError
from components.evaluation.step import evaluate
from components.files import hash_tree, read_json, read_parquet, write_parquet
from components.models.families import RUNGS
from components.params import Params
from components.paths import Workspace
from components.settings import Settings


@pytest.fixture
def evaluated(workspace: Workspace, small: Params, settings: Settings) -> Workspace:
    evaluate(workspace, small, settings)
    return workspace


def test_metrics_say_what_the_predictions_give(evaluated: Workspace) -> None:
    metrics = read_json(evaluated.evaluation_report / "metrics.json")
    rows = read_parquet(evaluated.evaluation_report / "predictions.parquet")
    assert len(rows) == len(read_parquet(evaluated.split / "test.parquet")) == metrics["rows"]
    for name, found in {"candidate": metrics["static"], **metrics["ladder"]}.items():
        errors = rows[name] - rows["rating"]
        assert found["rmse"] == pytest.approx(float(np.sqrt((errors**2).mean())), abs=1e-5)
        assert found["mae"] == pytest.approx(float(errors.abs().mean()), abs=1e-5)
        assert found["rmse_low"] <= found["rmse"] <= found["rmse_high"]
        assert 0 <= found["coverage"] <= 1
        assert 0 <= found["map"] <= 1
        assert found["novelty"] >= 0
        assert 0 <= found["diversity"] <= 2
    assert metrics["ladder"].keys() == set(RUNGS)
    assert metrics["slices"]["all"]["rmse"] == metrics["static"]["rmse"]
    assert metrics["prequential"]["rmse"] != metrics["static"]["rmse"]


def test_tables_of_the_plots_have_their_columns(evaluated: Workspace) -> None:
    folder = evaluated.evaluation_report
    ladder = pd.read_csv(folder / "ladder.csv")
    assert set(ladder["model"]) == {"hybrid", *RUNGS}
    assert ladder["rmse"].is_monotonic_increasing
    assert {"slice", "rmse", "rows"} <= set(pd.read_csv(folder / "slices.csv").columns)
    calibration = pd.read_csv(folder / "calibration.csv")
    assert calibration["rows"].sum() == len(read_parquet(folder / "predictions.parquet"))


def test_response_time_is_logged_and_in_no_file(
    workspace: Workspace, small: Params, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "components.evaluation"):
        evaluate(workspace, small, settings)
    (line,) = [m for m in caplog.messages if m.startswith("response time")]
    assert re.search(r"family=hybrid k=5 requests=\d+ median_ms=\d+\.\d+ p99_ms=\d+\.\d+", line)
    for name in ("metrics.json", "audit.json", "report.html"):
        assert "median_ms" not in (workspace.evaluation_report / name).read_text()


def test_second_run_gives_the_same_bytes(
    evaluated: Workspace, small: Params, settings: Settings
) -> None:
    first = hash_tree(evaluated.evaluation_report)
    evaluate(evaluated, small, settings)
    assert hash_tree(evaluated.evaluation_report) == first


class Page(HTMLParser):
    """Collects what a page would fetch, and which tags stay open."""

    EMPTY = frozenset({"meta", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that closes itself holds nothing open."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_fetches_nothing(evaluated: Workspace) -> None:
    text = (evaluated.evaluation_report / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert not re.search(r"url\(|@import|<script|<link", text)
    assert not re.search(r"\bnan\b|\binf\b|None", text)
    assert str(evaluated.root) not in text


def test_page_shows_headline_ladder_people_and_slices(evaluated: Workspace) -> None:
    text = (evaluated.evaluation_report / "report.html").read_text()
    rmse = read_json(evaluated.evaluation_report / "metrics.json")["static"]["rmse"]
    for expected in (
        f"{rmse:.4f}",
        "Hybrid with images",
        "Somebody new",
        "All test ratings",
        "Weakest:",
        "<th>MAP</th>",
        "<th>diversity</th>",
        "Could it have known the answers?",
        "Ratings of a user and an item learnt from too",
        "epoch",
    ):
        assert expected in text


def test_title_from_outside_cannot_bring_code_into_the_page(
    workspace: Workspace, small: Params, settings: Settings
) -> None:
    from components.models.bundle import load_bundle, save_bundle, seal_bundle

    bundle = load_bundle(workspace.evaluation_bundle)
    bundle.catalogue.items["title"] = "<script>alert(1)</script>"
    save_bundle(bundle, workspace.evaluation_bundle)
    seal_bundle(workspace.evaluation_bundle)
    evaluate(workspace, small, settings)
    text = (workspace.evaluation_report / "report.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_empty_test_names_the_parameter_to_change(
    workspace: Workspace, small: Params, settings: Settings
) -> None:
    path = workspace.split / "test.parquet"
    write_parquet(path, read_parquet(path)[:0])
    with pytest.raises(DataError, match=r"split\.test_share"):
        evaluate(workspace, small, settings)


def test_flipped_byte_in_a_bundle_is_noticed(
    workspace: Workspace, small: Params, settings: Settings
) -> None:
    path = workspace.evaluation_bundle / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"weights\.safetensors"):
        evaluate(workspace, small, settings)

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.errors import ParameterError
from components.files import read_parquet
from components.models.bundle import load_bundle
from components.models.predictor import Predictor
from components.paths import Workspace
from flows.recommending import recommend_all_users, recommend_unseen, recommend_user
from flows.releases import open_registry


@pytest.fixture(scope="module")
def predictor(served_bundle: Path) -> Predictor:
    return Predictor(load_bundle(served_bundle))


@pytest.mark.parametrize("user", range(5))
def test_items_that_a_user_rated_are_left_out(predictor: Predictor, user: int):
    recommended = recommend_unseen(predictor, f"u{user}", 100)
    seen = {f"i{item}" for item in range(user, user + 4)}
    assert {item.item_id for item in recommended.items} == {f"i{item}" for item in range(12)} - seen
    ratings = [item.score for item in recommended.items]
    assert ratings == sorted(ratings, reverse=True)
    assert recommended.path == "history"


def test_user_whom_nobody_knows_gets_the_whole_catalogue_as_it_trends(predictor: Predictor):
    recommended = recommend_unseen(predictor, "nobody", 100)
    assert len(recommended.items) == 12
    assert [item.item_id for item in recommended.items[:2]] == ["i5", "i2"]
    assert recommended.path == "rules"


@pytest.fixture
def champion(
    workspace: Workspace, place_bundles: Callable[..., Any], register: Callable[..., Any]
) -> Workspace:
    """A workspace with a champion."""
    place_bundles(workspace)
    open_registry(workspace).promote(register(workspace), None)
    return workspace


@pytest.mark.parametrize(
    ("user", "path"),
    [("u1", "known by what they rated"), ("[/x]", "nothing known, so what trends")],
)
def test_list_says_whom_it_is_for_and_what_it_rests_on(
    champion: Workspace, user: str, path: str, capsys: pytest.CaptureFixture[str]
):
    recommend_user(champion, user, 3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"user {user}: ")
    assert path in lines[0]
    assert "champion version 1" in lines[0]
    assert len(lines) == 1 + 1 + 3


def test_titles_with_brackets_are_no_markup(
    served_bundle: Path,
    workspace: Workspace,
    register: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
):
    from dataclasses import replace

    from components.models.bundle import save_bundle, seal_bundle

    bundle = load_bundle(served_bundle)
    items = bundle.catalogue.items.assign(title="[/] Untitled [red]")
    changed = replace(bundle, catalogue=replace(bundle.catalogue, items=items))
    for folder in (workspace.evaluation_bundle, workspace.served_bundle):
        folder.mkdir(parents=True)
        save_bundle(changed, folder)
        seal_bundle(folder)
    open_registry(workspace).promote(register(workspace), None)
    recommend_user(workspace, "u1", 2)
    assert capsys.readouterr().out.count("[/] Untitled [red]") == 2


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_lists_of_all_users_are_written_without_what_they_rated(
    champion: Workspace, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "new" / f"lists.{suffix}"
    recommend_all_users(champion, 3, out)
    frame = pd.read_csv(out) if suffix == "csv" else read_parquet(out)
    assert list(frame) == ["user_id", "rank", "item_id", "rating"]
    assert sorted(set(frame["user_id"])) == [f"u{user}" for user in range(5)]
    assert frame["rank"].tolist() == [1, 2, 3] * 5
    assert f"5 users, 15 rows: {out}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["lists.txt", "lists", "lists.CSV"])
def test_other_endings_are_refused_before_anything_is_looked_up(tmp_path: Path, name: str):
    with pytest.raises(ParameterError, match=r"name a \.csv or a \.parquet file"):
        recommend_all_users(Workspace(tmp_path / "nowhere"), 3, tmp_path / name)


def test_lists_come_from_the_registry_when_this_disk_lost_them(champion: Workspace, tmp_path: Path):
    recommend_all_users(champion, 3, tmp_path / "first.csv")
    shutil.rmtree(champion.state / "versions")
    shutil.rmtree(champion.root / "models")
    recommend_all_users(champion, 3, tmp_path / "second.csv")
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()

"""Leaks that are planted in a learnt workspace make `evaluate` fail."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.errors import DataError
from components.evaluation.audit import check_models
from components.evaluation.step import evaluate
from components.files import read_json, read_parquet, write_parquet
from components.models.bundle import load_bundle, save_bundle, seal_bundle
from components.models.catalogue import UserBook
from components.params import Params
from components.paths import Workspace
from components.settings import Settings


@pytest.fixture
def rows(workspace: Workspace) -> tuple[pd.DataFrame, pd.DataFrame]:
    return tuple(read_parquet(workspace.split / f"{name}.parquet") for name in ("train", "test"))


def learn_from(folder: Path, ratings: pd.DataFrame) -> None:
    """Put other ratings into a bundle, as if it had learnt from them."""
    bundle = load_bundle(folder)
    object.__setattr__(bundle, "users", UserBook.from_ratings(ratings, bundle.catalogue))
    save_bundle(bundle, folder)
    seal_bundle(folder)


@pytest.mark.parametrize("bundle", ["models/evaluation", "models/ladder/popularity"])
def test_bundle_that_learnt_a_test_row_is_refused(
    workspace: Workspace,
    small: Params,
    settings: Settings,
    rows: tuple[pd.DataFrame, pd.DataFrame],
    bundle: str,
) -> None:
    train, test = rows
    (workspace.evaluation_report / "metrics.json").unlink(missing_ok=True)
    learn_from(workspace.root / bundle, pd.concat([train, test[:1]]))
    pair = f"user '{test['user_id'][0]}', item '{test['item_id'][0]}'"
    with pytest.raises(DataError, match=f"1 of .* are no train rows .*{pair}.*dvc repro train"):
        evaluate(workspace, small, settings)
    assert not (workspace.evaluation_report / "metrics.json").exists()
    audit = read_json(workspace.evaluation_report / "audit.json")
    assert audit["passed"] is False
    assert [one["check"] for one in audit["checks"] if not one["passed"]] == ["models"]


def test_bundle_of_the_train_rows_passes(
    workspace: Workspace, rows: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    check = check_models([load_bundle(workspace.evaluation_bundle)], rows[0])
    assert (check.among, check.found, check.passed) == (len(rows[0]), 0, True)


@pytest.mark.parametrize("leak", ["pairs", "time"])
def test_split_that_was_changed_by_hand_is_refused(
    workspace: Workspace,
    small: Params,
    settings: Settings,
    rows: tuple[pd.DataFrame, pd.DataFrame],
    leak: str,
) -> None:
    train, test = rows
    if leak == "pairs":
        test = pd.concat([test, train[:1].drop(columns="valid").assign(timestamp=9_999_999)])
    else:
        train = train.assign(timestamp=np.where(train.index == 3, 9_999_999, train["timestamp"]))
    write_parquet(workspace.split / "train.parquet", train)
    write_parquet(workspace.split / "test.parquet", test)
    with pytest.raises(DataError, match="split leaks: 1 of"):
        evaluate(workspace, small, settings)


def test_audit_that_passed_is_written_and_shown(
    workspace: Workspace, small: Params, settings: Settings
) -> None:
    evaluate(workspace, small, settings)
    audit = read_json(workspace.evaluation_report / "audit.json")
    assert audit["passed"] is True
    assert {one["check"] for one in audit["checks"]} == {"pairs", "time", "pictures", "models"}

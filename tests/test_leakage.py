"""Each leak is planted, and found."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.split import assign
from components.errors import DataError
from components.leakage import Audit, Check, audit_split, find_pairs
from components.params import Split

STRATEGIES = ("global_time", "user_time", "random", "cold_item", "cold_user")
ITEMS = 40


def params_of(strategy: str, **audit: float) -> Split:
    return Split.model_validate(
        {
            "strategy": strategy,
            "test_share": 0.25,
            "valid_share": 0.25,
            "fold": 0,
            "min_user_ratings": 4,
            "seed": 0,
            "audit": {"same_picture": 0.996, "picture_budget": 0.0, **audit},
        }
    )


def draw_ratings(seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user_id": generator.integers(25, size=500).astype(str),
            "item_id": generator.integers(ITEMS, size=500).astype(str),
            "timestamp": generator.integers(10_000, size=500),
            "batch": 0,
        }
    ).drop_duplicates(["user_id", "item_id"])
    return frame.sort_values(["timestamp", "user_id", "item_id"], ignore_index=True)


def part(ratings: pd.DataFrame, split: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    assigned = assign(ratings, split)
    train = ratings[~assigned.test_N].assign(valid=assigned.valid_N[~assigned.test_N])
    return train, ratings[assigned.test_N]


def hang_pictures(copied: dict[str, str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return items of one picture each, some with the pixels of another's; the last has none."""
    generator = np.random.default_rng(9)
    pixels = {str(item): generator.bytes(192).hex() for item in range(ITEMS - 1)}
    for copy, original in (copied or {}).items():
        pixels[copy] = pixels[original]
    items = pd.DataFrame(
        {
            "item_id": [*pixels, str(ITEMS - 1)],
            "images": [*([f"sha of {item}"] for item in pixels), []],
        }
    )
    images = {"sha256": [f"sha of {item}" for item in pixels], "thumbnail": list(pixels.values())}
    return items, pd.DataFrame(images)


def run(strategy: str, train: pd.DataFrame, test: pd.DataFrame, **audit: float) -> Audit:
    return audit_split(train, test, *hang_pictures(), params_of(strategy, **audit))


def failed(audit: Audit) -> list[tuple[str, str, int]]:
    return [(one.check, one.part, one.found) for one in audit.checks if not one.passed]


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(STRATEGIES), st.integers(0, 2**16))
def test_every_strategy_passes_its_own_audit(strategy: str, seed: int) -> None:
    audit = run(strategy, *part(draw_ratings(seed), params_of(strategy)))
    assert failed(audit) == []
    assert audit.passed
    audit.refuse_leaks()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_test_row_among_the_train_rows_is_found(strategy: str) -> None:
    train, test = part(draw_ratings(), params_of(strategy))
    planted = test.iloc[[7]].assign(valid=False, timestamp=train["timestamp"].min())
    audit = run(strategy, pd.concat([train, planted]), test)
    assert ("pairs", "test", 1) in failed(audit)
    pair = f"user '{test['user_id'].iloc[7]}', item '{test['item_id'].iloc[7]}'"
    with pytest.raises(
        DataError, match=f"1 of {len(test)} test ratings are of .*{pair}.*dvc repro"
    ):
        audit.refuse_leaks()


def test_valid_row_among_those_learnt_from_is_found() -> None:
    train, test = part(draw_ratings(), params_of("random"))
    planted = train[train["valid"]].iloc[[0]].assign(valid=False)
    assert failed(run("random", pd.concat([train, planted]), test)) == [("pairs", "valid", 1)]


@pytest.mark.parametrize("late", [0, 1], ids=["in the same second", "later"])
def test_train_row_that_is_not_before_the_test_is_found(late: int) -> None:
    train, test = part(draw_ratings(), params_of("global_time"))
    last = train.index[~train["valid"]][-1]
    train.loc[last, "timestamp"] = test["timestamp"].min() + late
    audit = run("global_time", train, test)
    assert failed(audit) == [("time", "test", 1), ("time", "valid", 1)]
    message = "1 of .* learnt from are not older than the test ratings .*1 more checks failed"
    with pytest.raises(DataError, match=message):
        audit.refuse_leaks()


def test_user_who_is_learnt_from_after_the_own_test_began_is_found() -> None:
    train, test = part(draw_ratings(), params_of("user_time"))
    user = test["user_id"].iloc[0]
    began = test.loc[test["user_id"] == user, "timestamp"].min()
    own = train.index[(train["user_id"] == user) & ~train["valid"]][0]
    train.loc[own, "timestamp"] = began
    in_the_same_second = run("user_time", train, test)
    assert ("time", "test", 1) not in failed(in_the_same_second)
    train.loc[own, "timestamp"] = began + 1
    assert ("time", "test", 1) in failed(run("user_time", train, test))


@pytest.mark.parametrize(("strategy", "key"), [("cold_item", "item_id"), ("cold_user", "user_id")])
@pytest.mark.parametrize("kept", ["test", "valid"])
def test_one_that_is_learnt_from_is_not_cold(strategy: str, key: str, kept: str) -> None:
    train, test = part(draw_ratings(), params_of(strategy))
    cold = (test if kept == "test" else train[train["valid"]])[key].iloc[0]
    learnt = train.index[~train["valid"]][0]
    train.loc[learnt, key] = cold
    rows = int(((test if kept == "test" else train[train["valid"]])[key] == cold).sum())
    assert ("cold", kept, rows) in failed(run(strategy, train, test))


def copy_pictures(train: pd.DataFrame, test: pd.DataFrame, count: int) -> dict[str, str]:
    """Say that some cold items show what items that are learnt from show."""
    cold = sorted(set(test["item_id"]) - {str(ITEMS - 1)})
    learnt = sorted(set(train.loc[~train["valid"], "item_id"]) - {str(ITEMS - 1)})
    return dict(zip(cold[:count], learnt, strict=False))


def test_cold_item_with_a_known_picture_is_found_and_named() -> None:
    split = params_of("cold_item")
    train, test = part(draw_ratings(), split)
    copied = copy_pictures(train, test, 1)
    audit = audit_split(train, test, *hang_pictures(copied), split)
    assert failed(audit) == [("pictures", "test", 1)]
    (pair,) = copied.items()
    message = f"item '{pair[0]}' looks like item '{pair[1]}'.*split.audit.picture_budget"
    with pytest.raises(DataError, match=message):
        audit.refuse_leaks()


def test_known_pictures_within_the_budget_are_counted_and_pass() -> None:
    train, test = part(draw_ratings(), params_of("cold_item"))
    gallery = hang_pictures(copy_pictures(train, test, 2))
    cold = test["item_id"].nunique()
    for share, passes in ((2 / cold + 1e-9, True), (1 / cold, False)):
        audit = audit_split(train, test, *gallery, params_of("cold_item", picture_budget=share))
        (check,) = [one for one in audit.checks if (one.check, one.part) == ("pictures", "test")]
        assert (check.found, check.passed, audit.passed) == (2, passes, passes)


def test_old_picture_of_a_new_item_is_counted_where_items_need_not_be_cold() -> None:
    split = params_of("global_time")
    train, test = part(draw_ratings(), split)
    new = test["item_id"].iloc[0]
    train = train[train["item_id"] != new]
    learnt = train.loc[~train["valid"], "item_id"].iloc[0]
    audit = audit_split(train, test, *hang_pictures({new: learnt}), split)
    (check,) = [one for one in audit.checks if (one.check, one.part) == ("pictures", "test")]
    assert (check.found, check.allowed) == (1, None)
    assert audit.passed


def test_one_of_several_pictures_of_an_item_is_enough() -> None:
    split = params_of("cold_item")
    train, test = part(draw_ratings(), split)
    items, images = hang_pictures()
    ((cold, learnt),) = copy_pictures(train, test, 1).items()
    rows = items["item_id"] == cold
    items.loc[rows, "images"] = pd.Series([[f"sha of {cold}", f"sha of {learnt}"]]).set_axis(
        items.index[rows]
    )
    assert failed(audit_split(train, test, items, images, split)) == [("pictures", "test", 1)]


def test_no_pictures_and_no_rows_are_no_leak() -> None:
    train, test = part(draw_ratings(), params_of("cold_item"))
    items, images = hang_pictures()
    bare = items.assign(images=[[] for _ in range(len(items))])
    for rows in ((train, test), (train[:0], test[:0])):
        assert audit_split(*rows, bare, images[:0], params_of("cold_item")).passed


def test_report_holds_every_check_with_its_counts() -> None:
    train, test = part(draw_ratings(), params_of("global_time"))
    content = run("global_time", train, test).to_json()
    assert (content["strategy"], content["passed"]) == ("global_time", True)
    assert [(one["check"], one["part"]) for one in content["checks"]] == [
        (check, kept) for kept in ("test", "valid") for check in ("pairs", "time", "pictures")
    ]
    assert all(one["passed"] for one in content["checks"])
    assert content["checks"][0]["among"] == len(test)


@pytest.mark.parametrize("check", ["pairs", "time", "cold", "pictures", "models"])
def test_every_failure_says_what_how_many_where_and_what_next(check: str) -> None:
    audit = Audit("random", (Check(check, "test", 2000, 12, 3, ("this one",)),))
    with pytest.raises(DataError) as caught:
        audit.refuse_leaks()
    message = str(caught.value)
    assert re.search(
        r"random split leaks: 12 of 2,000 .*\(allowed: 3; first: this one\); ", message
    )
    assert re.search(r"run 'dvc repro \w+'|params\.yaml$", message)


def test_pairs_are_told_apart_by_both_ids() -> None:
    make: Callable[..., pd.DataFrame] = lambda *rows: pd.DataFrame(  # noqa: E731
        rows, columns=["user_id", "item_id"]
    )
    found = find_pairs(make(("a", "x"), ("a", "y"), ("b", "x")), make(("a", "y"), ("b", "z")))
    assert found.tolist() == [False, True, False]

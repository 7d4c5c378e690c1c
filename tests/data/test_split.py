from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.split import assign, find_cutoff, split
from components.errors import DataError
from components.files import hash_tree, read_json, read_parquet, write_parquet
from components.params import Params, Split, load_params
from components.paths import Workspace
from components.settings import Settings

TEMPLATE = Path(__file__).parents[2] / "params.yaml"
HASHED = {
    "random": ["user_id", "item_id"],
    "cold_item": ["item_id"],
    "cold_user": ["user_id"],
}
STRATEGIES = ("global_time", "user_time", *HASHED)


def params_of(strategy: str, **changes: object) -> Split:
    fields = {"strategy": strategy, "test_share": 0.2, "valid_share": 0.1, "seed": 0, "fold": 0}
    audit = {"same_picture": 0.996, "picture_budget": 0.02}
    return Split.model_validate({**fields, "min_user_ratings": 5, "audit": audit, **changes})


def draw_ratings(rows: int, users: int, items: int, seconds: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user_id": rng.integers(users, size=rows).astype(str).astype(object),
            "item_id": rng.integers(items, size=rows).astype(str).astype(object),
            "rating": rng.choice([1.0, 3.0, 5.0], rows),
            "timestamp": rng.integers(seconds, size=rows),
            "batch": rng.integers(2, size=rows),
        }
    ).drop_duplicates(["user_id", "item_id"])
    return frame.sort_values(["timestamp", "user_id", "item_id"]).reset_index(drop=True)


tables = st.builds(
    draw_ratings,
    rows=st.integers(0, 120),
    users=st.integers(1, 12),
    items=st.integers(1, 40),
    seconds=st.integers(1, 200),
    seed=st.integers(0, 2**16),
)
batch_lists = st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=8), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(tables, st.sampled_from(STRATEGIES), st.floats(0.05, 0.6))
def test_no_row_is_both_in_test_and_valid_and_twice_is_the_same(
    ratings: pd.DataFrame, strategy: str, share: float
) -> None:
    params = params_of(strategy, test_share=share)
    assigned, again = assign(ratings, params), assign(ratings, params)
    assert len(assigned.test_N) == len(assigned.valid_N) == len(ratings)
    assert not (assigned.test_N & assigned.valid_N).any()
    assert (assigned.test_N == again.test_N).all()
    assert (assigned.valid_N == again.valid_N).all()


@given(batch_lists, st.floats(0.05, 0.95))
def test_cutoff_never_moves_back_as_batches_come_in(batches: list[list[int]], share: float) -> None:
    times = np.concatenate([np.array(batch, np.int64) for batch in batches])
    ordinals = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
    cutoffs = [
        find_cutoff(times[ordinals <= last], ordinals[ordinals <= last], share)
        for last in range(len(batches))
    ]
    assert cutoffs == sorted(cutoffs)


@given(batch_lists, st.floats(0.05, 0.95))
def test_cutoff_of_one_batch_leaves_at_most_the_share_above(
    batches: list[list[int]], share: float
) -> None:
    times = np.array(batches[0], np.int64)
    cutoff = find_cutoff(times, np.zeros(len(times), np.int64), share)
    assert cutoff in times
    assert (times > cutoff).sum() <= share * len(times)


def test_nothing_that_was_learnt_from_becomes_test_when_old_ratings_come_in_late() -> None:
    first = draw_ratings(200, 20, 60, seconds=1000).assign(batch=0)
    late = draw_ratings(300, 20, 60, seconds=300, seed=1).assign(batch=1)
    both = pd.concat([first, late]).drop_duplicates(["user_id", "item_id"])
    params = params_of("global_time")
    learnt = first[~assign(first, params).test_N]
    tested = both[assign(both, params).test_N]
    assert len(tested)
    pairs = ["user_id", "item_id"]
    assert learnt.merge(tested, on=pairs).empty


def test_global_time_keeps_the_newest_for_the_test_and_the_newest_of_the_rest_for_valid() -> None:
    ratings = draw_ratings(100, 10, 50, seconds=100_000).assign(batch=0)
    assigned = assign(ratings, params_of("global_time"))
    times = ratings["timestamp"]
    learnt = ~assigned.test_N & ~assigned.valid_N
    assert times[learnt].max() < times[assigned.valid_N].min()
    assert times[assigned.valid_N].max() < times[assigned.test_N].min()
    assert assigned.cutoff == times[~assigned.test_N].max()


@pytest.mark.parametrize("strategy", HASHED)
def test_hashed_rows_stay_where_they_are_as_data_grows(strategy: str) -> None:
    large = draw_ratings(400, 30, 50, seconds=100)
    small = large[::3].reset_index(drop=True)
    grown = large.assign(test=assign(large, params_of(strategy)).test_N)
    kept = small.assign(test=assign(small, params_of(strategy)).test_N)
    joined = kept.merge(grown, on=["user_id", "item_id"])
    assert (joined["test_x"] == joined["test_y"]).all()
    assert joined["test_x"].any()


def test_another_seed_draws_other_rows() -> None:
    ratings = draw_ratings(400, 30, 50, seconds=100)
    one, other = (assign(ratings, params_of("random", seed=seed)).test_N for seed in (0, 1))
    assert (one != other).any()


@pytest.mark.parametrize("strategy", ["cold_item", "cold_user"])
def test_what_is_cold_is_in_one_part_only(strategy: str) -> None:
    ratings = draw_ratings(600, 60, 60, seconds=100)
    assigned = assign(ratings, params_of(strategy))
    parts = (assigned.test_N, assigned.valid_N, ~assigned.test_N & ~assigned.valid_N)
    (key,) = HASHED[strategy]
    ids = [set(ratings[key][part]) for part in parts]
    assert all(ids)
    assert sum(map(len, ids)) == ratings[key].nunique()


@settings(max_examples=40, deadline=None)
@given(tables, st.sampled_from(sorted(HASHED)), st.integers(2, 20), st.integers(0, 99))
def test_folds_are_a_partition_of_the_rows(
    ratings: pd.DataFrame, strategy: str, folds: int, seed: int
) -> None:
    share = 1 / folds
    tested = [
        assign(ratings, params_of(strategy, test_share=share, seed=seed, fold=fold)).test_N
        for fold in range(folds)
    ]
    assert (np.sum(tested, axis=0) == 1).all()


def test_each_of_five_folds_is_about_a_fifth() -> None:
    ratings = draw_ratings(4000, 200, 100, seconds=100)
    for fold in range(5):
        share = assign(ratings, params_of("random", fold=fold)).test_N.mean()
        assert share == pytest.approx(0.2, abs=0.03)


def test_fold_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"test_share 0\.2 makes folds 0 to 4, none is 5"):
        params_of("random", fold=5)
    assert params_of("random", test_share=0.3, fold=2).fold == 2


@pytest.mark.parametrize("strategy", ["global_time", "user_time"])
def test_time_has_no_folds(strategy: str) -> None:
    with pytest.raises(ValueError, match=f"{strategy} has one test only"):
        params_of(strategy, fold=1)


def test_user_time_takes_the_last_rows_of_each_user_and_none_of_the_short_histories() -> None:
    long = [("a", f"i{n}", n) for n in range(10)]
    short = [("b", f"i{n}", n) for n in range(4)]
    rows = [(user, item, 3.0, time, 0) for user, item, time in (*long, *short)]
    columns = ["user_id", "item_id", "rating", "timestamp", "batch"]
    ratings = pd.DataFrame(rows, columns=columns).sort_values("timestamp", ignore_index=True)
    assigned = assign(ratings, params_of("user_time", valid_share=0.25))
    taken = ratings[assigned.test_N]
    assert list(zip(taken["user_id"], taken["item_id"], strict=True)) == [("a", "i8"), ("a", "i9")]
    valid = ratings[assigned.valid_N]
    assert valid["item_id"].tolist() == ["i6", "i7"]


@settings(max_examples=40, deadline=None)
@given(tables, st.floats(0.05, 0.95))
def test_user_time_leaves_every_user_something_to_learn_from(
    ratings: pd.DataFrame, share: float
) -> None:
    assigned = assign(ratings, params_of("user_time", test_share=share, valid_share=share))
    learnt = ratings[~assigned.test_N & ~assigned.valid_N]
    assert set(learnt["user_id"]) == set(ratings["user_id"])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def run(
    workspace: Workspace,
    ratings: pd.DataFrame,
    strategy: str,
    copied: dict[str, str] | None = None,
) -> Params:
    """Split ratings of items with one picture each; `copied` ones show another item's."""
    write_parquet(workspace.accepted / "ratings.parquet", ratings)
    ids = sorted(ratings["item_id"].unique())
    pixels = {item: np.random.default_rng(n).bytes(192).hex() for n, item in enumerate(ids)}
    pixels |= {copy: pixels[original] for copy, original in (copied or {}).items()}
    items = pd.DataFrame({"item_id": ids, "images": [[item] for item in ids]})
    write_parquet(workspace.accepted / "items.parquet", items)
    images = pd.DataFrame({"sha256": list(pixels), "thumbnail": list(pixels.values())})
    write_parquet(workspace.accepted / "images.parquet", images)
    params = load_params(TEMPLATE)
    params = params.model_copy(update={"split": params_of(strategy)})
    split(workspace, params, Settings())
    return params


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_step_loses_nothing_and_writes_the_same_bytes_again(
    workspace: Workspace, strategy: str
) -> None:
    ratings = draw_ratings(300, 12, 60, seconds=10_000)
    run(workspace, ratings, strategy)
    train = read_parquet(workspace.split / "train.parquet")
    test = read_parquet(workspace.split / "test.parquet")
    assert train.columns.tolist() == ["user_id", "item_id", "rating", "timestamp", "valid"]
    assert test.columns.tolist() == ["user_id", "item_id", "rating", "timestamp"]
    both = pd.concat([train.drop(columns="valid"), test])
    order = ["timestamp", "user_id", "item_id"]
    expected = ratings.drop(columns="batch").sort_values(order, ignore_index=True)
    found = both.sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    before = hash_tree(workspace.root)
    run(workspace, ratings, strategy)
    assert hash_tree(workspace.root) == before


def test_report_counts_rows_and_how_cold_the_test_is(workspace: Workspace) -> None:
    rows = [("a", f"x{second}", 1.0, second, 0) for second in range(12)]
    rows += [("new", "x1", 5.0, 12, 0), ("a", "fresh", 2.0, 13, 0)]
    columns = ["user_id", "item_id", "rating", "timestamp", "batch"]
    run(workspace, pd.DataFrame(rows, columns=columns), "global_time")
    report = read_json(workspace.split_report)
    assert report["cutoff"] == 11
    assert (report["train"], report["valid"], report["test"]) == (12, 1, 2)
    assert report["test_rows_of_unknown_users"] == 0.5
    assert report["test_rows_of_unknown_items"] == 0.5


def test_leak_fails_the_step_and_the_report_says_which(workspace: Workspace) -> None:
    ratings = draw_ratings(600, 30, 50, seconds=100)
    test = assign(ratings, params_of("cold_item")).test_N
    cold, learnt = (ratings["item_id"][rows].iloc[0] for rows in (test, ~test))
    with pytest.raises(DataError, match=f"item '{cold}' looks like item '{learnt}'"):
        run(workspace, ratings, "cold_item", copied={cold: learnt})
    assert not workspace.split.exists()
    audit = read_json(workspace.split_report)["audit"]
    assert audit["passed"] is False
    run(workspace, ratings, "random", copied={cold: learnt})
    assert read_json(workspace.split_report)["audit"]["passed"] is True


def test_pair_that_was_accepted_twice_fails_the_step(workspace: Workspace) -> None:
    ratings = draw_ratings(300, 12, 60, seconds=10_000).assign(batch=0)
    twice = pd.concat([ratings, ratings[:1].assign(timestamp=10_001)], ignore_index=True)
    with pytest.raises(DataError, match=r"1 of .* a user and an item that are learnt from too"):
        run(workspace, twice, "global_time")
    assert not workspace.split.exists()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_too_few_ratings_are_told_with_the_numbers(workspace: Workspace, strategy: str) -> None:
    rows = [("a", "x", 1.0, 5, 0), ("b", "x", 2.0, 5, 0)]
    ratings = pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp", "batch"])
    with pytest.raises(DataError, match=rf"part is empty .*{strategy} with test_share 0\.2"):
        run(workspace, ratings, strategy)
    assert not workspace.split.exists()


def test_no_ratings_at_all_are_told(workspace: Workspace) -> None:
    with pytest.raises(DataError, match="part is empty"):
        run(workspace, draw_ratings(0, 1, 1, 1), "global_time")


@pytest.mark.real_data
def test_posters_by_global_time_are_new_users_almost_all(posters: Path) -> None:
    ids = {"user_id": str, "item_id": str}
    ratings = pd.read_csv(posters / "ratings.csv", dtype=ids).assign(batch=0)
    test = assign(ratings, params_of("global_time")).test_N
    known = set(ratings["user_id"][~test])
    assert test.mean() == pytest.approx(0.2, abs=1e-4)
    assert 1 - ratings["user_id"][test].isin(known).mean() == pytest.approx(0.97, abs=0.001)

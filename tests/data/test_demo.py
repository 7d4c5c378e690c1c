from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.data.demo import Demo, best_rmse, draw_demo, draw_more, read_truth
from components.data.looks import Look, draw_print, measure_looks
from components.data.world import NOISE, begin, expect_rounded, grow, rate, turn_tastes
from components.errors import DataError
from components.files import hash_tree, read_parquet

IDS = {"user_id": str, "item_id": str}


def test_files_are_those_that_the_readme_names(small_demo: Demo) -> None:
    items = pd.read_csv(small_demo.items)
    ratings = pd.read_csv(small_demo.ratings)
    assert items.columns.tolist() == ["item_id", "image", "title", "category"]
    assert ratings.columns.tolist() == ["user_id", "item_id", "rating", "timestamp"]
    assert (len(items), len(ratings)) == (24, 150)
    assert all((small_demo.folder / image).is_file() for image in items["image"])
    assert len(list(small_demo.images.iterdir())) == 24
    assert items["title"].str.endswith("(simulated)").all()
    assert "no real people" in (small_demo.folder / "README.md").read_text()


def test_ratings_are_half_stars_on_the_scale_and_one_a_pair(small_demo: Demo) -> None:
    ratings = pd.read_csv(small_demo.ratings, dtype=IDS)
    assert set(ratings["rating"]) <= set(np.arange(0.5, 5.01, 0.5))
    assert not ratings.duplicated(["user_id", "item_id"]).any()
    assert ratings["timestamp"].is_monotonic_increasing
    assert set(ratings["item_id"]) <= set(pd.read_csv(small_demo.items)["item_id"])


def test_same_seed_draws_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    sizes = {"items": 6, "users": 4, "ratings": 12, "width": 32}
    draw_demo(tmp_path / "a", **sizes)
    draw_demo(tmp_path / "b", **sizes)
    draw_demo(tmp_path / "c", seed=1, **sizes)
    assert hash_tree(tmp_path / "a") == hash_tree(tmp_path / "b")
    other = hash_tree(tmp_path / "c")
    same = [name for name, sha in hash_tree(tmp_path / "a").items() if other[name] == sha]
    assert same == []


def test_more_grows_the_same_world(small_demo: Demo, tmp_path: Path) -> None:
    sizes = {"items": 4, "users": 2, "ratings": 40, "width": 32}
    more = draw_more(tmp_path / "more", small_demo, **sizes)
    before, after = (pd.read_csv(demo.ratings, dtype=IDS) for demo in (small_demo, more))
    assert before["timestamp"].max() < after["timestamp"].min()
    assert before.merge(after, on=["user_id", "item_id"]).empty
    assert set(pd.read_csv(more.items)["item_id"]) == {f"print-{n:04d}" for n in range(25, 29)}
    assert set(after["item_id"]) & set(before["item_id"])
    both = pd.concat([before, after])
    truth = read_truth(small_demo.folder, more.folder)
    assert 0.3 < best_rmse(truth, both) < 1.0
    last = draw_more(tmp_path / "last", more, **sizes)
    third = pd.read_csv(last.ratings, dtype=IDS)
    assert both.merge(third, on=["user_id", "item_id"]).empty


def test_truth_has_every_rated_pair_within_the_scale(small_demo: Demo) -> None:
    truth = read_parquet(small_demo.truth)
    ratings = pd.read_csv(small_demo.ratings, dtype=IDS)
    assert len(truth.merge(ratings, on=["user_id", "item_id"])) == len(ratings) == len(truth)
    assert truth["expected"].between(0.5, 5).all()


def test_pair_of_another_world_has_no_best_rmse(small_demo: Demo) -> None:
    test = pd.DataFrame({"user_id": ["me"], "item_id": ["print-0001"], "rating": [3.0]})
    with pytest.raises(DataError, match="1 of 1 test rows are not of the demo's world"):
        best_rmse(read_parquet(small_demo.truth), test)


def test_expectation_after_rounding_is_what_many_draws_average_to() -> None:
    latent = np.array([-1.0, 0.6, 3.1, 4.9, 7.0])
    noisy = latent[:, None] + np.random.default_rng(0).normal(0, 0.7, (5, 200_000))
    rounded = np.clip(np.floor(2 * noisy + 0.5) / 2, 0.5, 5)
    np.testing.assert_allclose(expect_rounded(latent, 0.7), rounded.mean(axis=1), atol=0.01)


def test_expectation_without_noise_is_the_rounded_rating() -> None:
    np.testing.assert_allclose(expect_rounded(np.array([3.1, 9.0]), 1e-9), [3.0, 5.0])


def test_ratings_of_a_visit_average_to_what_is_expected_of_them() -> None:
    latent_N = np.repeat([0.6, 3.1, 4.9], 100_000)
    given_N = rate(latent_N, np.random.default_rng(0))
    assert set(given_N) <= set(np.arange(0.5, 5.01, 0.5))
    expected = expect_rounded(np.array([0.6, 3.1, 4.9]), NOISE)
    np.testing.assert_allclose(given_N.reshape(3, -1).mean(1), expected, atol=0.01)


def test_fashion_turns_all_tastes_one_way_and_leaves_the_rest() -> None:
    before = grow(begin(0), 5, 200, 30)
    after = turn_tastes(before)
    np.testing.assert_array_equal(after.biases_U, before.biases_U)
    leant_UF = after.tastes_UF - before.tastes_UF
    np.testing.assert_allclose(leant_UF, np.broadcast_to(leant_UF[0], leant_UF.shape))
    assert np.linalg.norm(leant_UF[0]) == pytest.approx(1.6)


def test_look_shows_in_the_picture() -> None:
    rng = np.random.default_rng(0)
    day, night = (draw_print(Look(5, 0, ground, 0.1), 48, rng) for ground in (-1, 1))
    assert np.asarray(day.convert("L")).mean() > np.asarray(night.convert("L")).mean() + 20
    warm, cool = (
        np.asarray(draw_print(Look(9, palette, 0, 0.9), 48, rng), dtype=float) for palette in (0, 8)
    )
    assert (warm[..., 0] - warm[..., 2]).mean() > (cool[..., 0] - cool[..., 2]).mean() + 20


@pytest.mark.parametrize("series", range(10))
@pytest.mark.parametrize("density", [0.0, 1.0])
def test_every_series_draws_at_either_end_of_density(series: int, density: float) -> None:
    for ground in (-1, 0, 1):
        picture = draw_print(Look(series, 4, ground, density), 32, np.random.default_rng(1))
        assert picture.size == (32, 40)
        assert np.asarray(picture).std() > 5


def test_features_have_unit_variance_over_all_looks() -> None:
    looks = [
        Look(series, palette, ground, density)
        for series in range(10)
        for palette in range(12)
        for ground in (-1, -1, -1, 0, 1, 1)
        for density in np.linspace(0, 1, 9)
    ]
    features = measure_looks(looks)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=0.15)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=0.15)


def test_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(DataError, match="holds other things"):
        draw_demo(tmp_path, items=2, users=1, ratings=1)
    assert (tmp_path / "mine.txt").read_text() == "x"


def test_more_ratings_than_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="50 ratings are wanted, 2 visitors have"):
        draw_demo(tmp_path / "demo", items=3, users=2, ratings=50, width=32)
    assert not (tmp_path / "demo").exists()


def test_pictures_are_jpegs_of_the_width_asked_for(small_demo: Demo) -> None:
    with Image.open(next(small_demo.images.iterdir())) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (48, 60)


def test_bias_alone_is_clearly_worse_than_the_best_on_a_world_of_some_size(tmp_path: Path) -> None:
    demo = draw_demo(tmp_path / "demo", items=60, users=60, ratings=1500, width=16)
    ratings = pd.read_csv(demo.ratings, dtype=IDS)
    by_item = ratings["rating"] - ratings.groupby("item_id")["rating"].transform("mean")
    residual = by_item - by_item.groupby(ratings["user_id"]).transform("mean")
    best = best_rmse(read_truth(demo.folder), ratings)
    assert best < 0.75
    assert residual.std() > best + 0.1


def test_tastes_are_mostly_made_of_fewer_likings_than_there_are_features() -> None:
    tastes = grow(begin(0), items=0, users=400, days=1).tastes_UF
    spread = np.linalg.svd(tastes - tastes.mean(axis=0), compute_uv=False) ** 2
    assert spread[:3].sum() / spread.sum() > 0.85
    assert spread[-1] > 0
    assert np.sqrt(spread.sum() / len(tastes)) == pytest.approx(0.66, rel=0.1)


def test_what_a_look_is_worth_explains_most_of_a_prints_effect() -> None:
    world = grow(begin(0), items=300, users=1, days=1)
    features = measure_looks(list(world.looks))
    found, *_ = np.linalg.lstsq(features, world.effects_I, rcond=None)
    left = world.effects_I - features @ found
    assert left.var() < 0.25 * world.effects_I.var()

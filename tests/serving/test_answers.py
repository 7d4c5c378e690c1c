from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.answers import (
    describe,
    predict_rating,
    predict_rating_by_image,
    recommend,
    recommend_by_image,
    similar,
)
from serving.refusal import Refusal
from serving.release import Release, open_release
from serving.schemas import PredictRequest, RecommendRequest, SimilarRequest


@pytest.fixture(scope="module")
def release(bento: Path) -> Release:
    return open_release(bento, "cpu")


def ask(**fields: Any) -> RecommendRequest:
    return RecommendRequest.model_validate(fields)


def ids(answer: Any) -> list[str]:
    return [item.item_id for item in answer.items]


def test_known_user_gets_unseen_items_best_first(release: Release):
    answer = recommend(release, ask(user_id="u1", k=20))
    seen = {"i1", "i2", "i3", "i4"}
    assert set(ids(answer)) == {f"i{row}" for row in range(12)} - seen
    ratings = [item.rating for item in answer.items]
    assert ratings == sorted(ratings, reverse=True)
    assert answer.path == "history"
    assert answer.model.version == "3"


def test_unknown_user_gets_the_priors_list(release: Release):
    answer = recommend(release, ask(user_id="nobody", k=3))
    assert ids(answer) == ["i11", "i10", "i9"]
    assert answer.path == "prior"
    assert ids(answer) == ids(recommend(release, ask(k=3)))


def test_history_in_the_request_is_read_and_left_out(release: Release):
    history = [{"item_id": "i11", "rating": 5.0}, {"item_id": "gone", "rating": 1.0}]
    answer = recommend(release, ask(history=history, k=3))
    assert ids(answer) == ["i10", "i9", "i8"]
    assert answer.path == "history"
    assert answer.unknown_items == ["gone"]


def test_history_on_top_of_a_known_user_moves_the_ratings(release: Release):
    before = recommend(release, ask(user_id="u1", k=1))
    better = recommend(release, ask(user_id="u1", k=1, history=[{"item_id": "i0", "rating": 5.0}]))
    assert better.items[0].rating > before.items[0].rating
    assert "i0" not in ids(better)


def test_excluded_items_are_left_out_and_unknown_ones_named_once(release: Release):
    answer = recommend(release, ask(exclude=["i11", "x", "x", "i10"], k=1))
    assert ids(answer) == ["i9"]
    assert answer.unknown_items == ["x"]


def test_everything_excluded_is_an_empty_list(release: Release):
    assert recommend(release, ask(exclude=[f"i{row}" for row in range(12)])).items == []


@pytest.mark.parametrize("rating", [0.0, 5.5, -1e300])
def test_rating_off_the_scale_is_refused(release: Release, rating: float):
    with pytest.raises(Refusal, match=r"history\.0\.rating: .* not on the scale from 0\.5 to 5"):
        recommend(release, ask(history=[{"item_id": "i1", "rating": rating}]))


def test_look_alikes_leave_out_the_item_and_those_without_image(release: Release):
    answer = similar(release, SimilarRequest(item_id="i0", k=1000))
    assert set(ids(answer)) == {f"i{row}" for row in range(1, 11)}
    similarities = [item.similarity for item in answer.items]
    assert similarities == sorted(similarities, reverse=True)


def test_look_alikes_of_an_unknown_item_are_not_found(release: Release):
    with pytest.raises(Refusal, match="no item is called 'gone'") as refusal:
        similar(release, SimilarRequest(item_id="gone"))
    assert refusal.value.error_code == 404


def test_look_alikes_of_an_item_without_image_are_refused(release: Release):
    with pytest.raises(Refusal, match="has no image") as refusal:
        similar(release, SimilarRequest(item_id="i11"))
    assert refusal.value.error_code == 422


def test_predictions_keep_the_order_of_the_pairs(release: Release):
    pairs = [("u3", "i5"), ("nobody", "i5"), ("u1", "gone"), ("u3", "i5")]
    body = {"pairs": [{"user_id": user, "item_id": item} for user, item in pairs]}
    answer = predict_rating(release, PredictRequest.model_validate(body))
    assert [(r.user_id, r.item_id) for r in answer.ratings] == pairs
    assert answer.ratings[0] == answer.ratings[3]
    assert [r.path for r in answer.ratings] == ["history", "prior", "history", "history"]
    assert [r.item_path for r in answer.ratings] == ["factors", "factors", "prior", "factors"]
    assert (answer.unknown_users, answer.unknown_items) == (["nobody"], ["gone"])
    expected = release.predictor.predict(["u3"], ["i5"])[0]
    assert answer.ratings[0].rating == pytest.approx(float(expected))


def test_picture_of_an_item_looks_most_like_that_item(release: Release, draw: Any):
    answer = recommend_by_image(release, release.embed(draw(4)), user_id="u1", k=3, exclude=[])
    assert answer.similar[0].item_id == "i4"
    assert answer.similar[0].similarity == pytest.approx(1.0, abs=1e-5)
    assert len(answer.similar) == len(answer.items) == 3


def test_look_alikes_are_reranked_by_the_users_taste(release: Release, draw: Any):
    answer = recommend_by_image(release, release.embed(draw(4)), user_id=None, k=2, exclude=["i10"])
    ratings = [item.rating for item in answer.items]
    assert ratings == sorted(ratings, reverse=True)
    assert answer.items[0].item_id == "i9"
    assert answer.path == "prior"


def test_rating_of_a_picture_is_the_predictors(release: Release, draw: Any):
    embedding_E = release.embed(draw(50))
    answer = predict_rating_by_image(release, embedding_E, ["u1", "nobody"])
    predictor = release.predictor
    item = predictor.fold_image(embedding_E)
    expected = [float(predictor.rate(predictor.fold_user(user), item)[0]) for user in ("u1", "x")]
    assert [rating.rating for rating in answer.ratings] == pytest.approx(expected)
    assert answer.unknown_users == ["nobody"]
    assert np.isfinite([rating.rating for rating in answer.ratings]).all()


def test_model_tells_its_counts_scale_and_lineage(release: Release, lineage: dict[str, str]):
    answer = describe(release)
    assert (answer.counts.users, answer.counts.items, answer.counts.items_with_image) == (5, 12, 11)
    assert answer.scale == (0.5, 5.0)
    assert answer.lineage == lineage

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.models.predictor import Predictor
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
from serving.schemas.requests import PredictRequest, RecommendRequest, SimilarRequest


@pytest.fixture(scope="module")
def release(bento: Path) -> Release:
    return open_release(bento, "cpu")


def ask(**fields: Any) -> RecommendRequest:
    return RecommendRequest.model_validate(fields)


def look(release: Release, *pictures: bytes) -> Any:
    return np.stack([release.embed(picture) for picture in pictures])


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


# Often and well rated come first; of equals the later; then what nobody rated, best first.
TRENDING = ["i5", "i2", "i3", "i4", "i6", "i1", "i7", "i0", "i11", "i10", "i9", "i8"]
RATED = [{"item_id": "i11", "rating": 5.0}]


@pytest.mark.parametrize(
    ("request_", "path", "expected"),
    [
        ({}, "rules", TRENDING),
        ({"user_id": "nobody"}, "rules", TRENDING),
        ({"user_id": "nobody", "k": 2}, "rules", ["i5", "i2"]),
        ({"exclude": ["i5", "i3"], "k": 2}, "rules", ["i2", "i4"]),
        ({"category": "portrait"}, "rules", ["i5", "i3", "i1", "i7", "i11", "i9"]),
        ({"category": "portrait", "exclude": ["i5"], "k": 1}, "rules", ["i3"]),
        ({"history": [{"item_id": "gone", "rating": 5.0}]}, "rules", TRENDING),
        ({"history": RATED, "k": 3}, "history", ["i10", "i9", "i8"]),
        ({"history": RATED, "category": "portrait", "k": 2}, "history", ["i9", "i7"]),
        ({"user_id": "u1", "k": 3}, "history", ["i11", "i10", "i9"]),
        ({"user_id": "u1", "category": "landscape"}, "history", ["i10", "i8", "i6", "i0"]),
        ({"user_id": "u1", "history": RATED, "k": 2}, "history", ["i10", "i9"]),
    ],
)
def test_each_kind_of_user_gets_their_list(
    release: Release, request_: dict[str, Any], path: str, expected: list[str]
):
    answer = recommend(release, ask(**{"k": 20, **request_}))
    assert (answer.path, ids(answer)) == (path, expected)


def test_newcomers_see_the_models_ratings_in_the_rules_order(release: Release):
    answer = recommend(release, ask(k=20))
    shown = [item.rating for item in answer.items]
    predicted = release.predictor.predict(["nobody"] * len(shown), ids(answer))
    assert shown == pytest.approx(predicted.tolist())
    assert shown != sorted(shown, reverse=True)


@pytest.mark.parametrize("category", ["Portrait", "portrait|landscape", "x"])
def test_unknown_category_is_not_found_and_the_known_ones_are_named(
    release: Release, category: str
):
    with pytest.raises(Refusal, match=r"category: .* there are: landscape, portrait$") as refusal:
        recommend(release, ask(category=category))
    assert refusal.value.error_code == 404


def test_catalogue_without_categories_says_so(release: Release):
    bare = replace(
        release.predictor.bundle.catalogue,
        items=release.predictor.bundle.catalogue.items.assign(category=""),
    )
    changed = replace(
        release, predictor=Predictor(replace(release.predictor.bundle, catalogue=bare))
    )
    with pytest.raises(Refusal, match="there are: none"):
        recommend(changed, ask(category="portrait"))


def test_model_from_before_the_rule_answers_by_its_prior(release: Release):
    before = Predictor(replace(release.predictor.bundle, params={}))
    answer = recommend(replace(release, predictor=before), ask(k=3))
    assert (answer.path, ids(answer)) == ("prior", ["i11", "i10", "i9"])


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
    answer = recommend(release, ask(exclude=["i5", "x", "x", "i2"], k=1))
    assert ids(answer) == ["i3"]
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


def test_what_a_user_told_since_counts_wherever_a_rating_is_asked_for(release: Release, draw: Any):
    told, _ = release.predictor.read_history([("i1", 5.0), ("i2", 1.0)], [10, 20])

    def recall(user_id: str | None) -> Any:
        return told if user_id == "new" else None

    shown = recommend(release, ask(user_id="new", k=1), told).items[0]
    pairs = [{"user_id": user, "item_id": shown.item_id} for user in ("new", "u1", "new")]
    request = PredictRequest.model_validate({"pairs": pairs})
    first, known, again = predict_rating(release, request, recall).ratings
    assert first.rating == pytest.approx(shown.rating, abs=1e-5)
    assert (first.path, again) == ("history", first)
    assert known.rating == predict_rating(release, request).ratings[1].rating
    pictures = look(release, draw(0))
    by_picture = predict_rating_by_image(release, pictures[0], ["new", "u1"], recall)
    assert [rated.path for rated in by_picture.ratings] == ["history", "history"]
    looks = recommend_by_image(release, pictures, user_id="new", k=3, exclude=[], recall=recall)
    assert looks.path == "history"
    assert looks.rating == pytest.approx(by_picture.ratings[0].rating, abs=1e-5)


def test_picture_of_an_item_looks_most_like_that_item(release: Release, draw: Any):
    answer = recommend_by_image(release, look(release, draw(4)), user_id="u1", k=3, exclude=[])
    assert answer.similar[0].item_id == "i4"
    assert answer.similar[0].similarity == pytest.approx(1.0, abs=1e-5)
    assert len(answer.similar) == len(answer.items) == 3


def test_several_pictures_are_answered_with_what_lies_between_them(release: Release, draw: Any):
    two = recommend_by_image(
        release, look(release, draw(4), draw(7)), user_id="u1", k=3, exclude=[]
    )
    assert {item.item_id for item in two.similar[:2]} == {"i4", "i7"}
    one, other = (
        recommend_by_image(release, look(release, draw(seed)), user_id="u1", k=3, exclude=[])
        for seed in (4, 7)
    )
    assert two.rating == pytest.approx((one.rating + other.rating) / 2)
    again = recommend_by_image(
        release, look(release, draw(4), draw(4)), user_id="u1", k=3, exclude=[]
    )
    assert [item.item_id for item in again.similar] == [item.item_id for item in one.similar]


def test_diverse_list_begins_with_the_best_and_looks_less_alike(release: Release):
    plain = recommend(release, ask(user_id="u1", k=4))
    diverse = recommend(release, ask(user_id="u1", k=4, diversity=1.0))
    assert ids(diverse)[0] == ids(plain)[0]
    assert ids(diverse) != ids(plain)
    assert {"i1", "i2", "i3", "i4"}.isdisjoint(ids(diverse))
    looks_IE = release.predictor.unit_looks(np.arange(len(release.titles)))
    looks_II = looks_IE @ looks_IE.T
    rows = [release.predictor.bundle.catalogue.find(ids(one)) for one in (plain, diverse)]
    alike, less = (looks_II[np.ix_(row, row)].sum() for row in rows)
    assert less < alike


def test_diverse_rule_keeps_what_is_first_by_the_rule(release: Release):
    assert ids(recommend(release, ask(k=3, diversity=0.01))) == TRENDING[:3]
    assert recommend(release, ask(k=3, diversity=0.9)).path == "rules"


def test_look_alikes_are_reranked_by_the_users_taste(release: Release, draw: Any):
    answer = recommend_by_image(release, look(release, draw(4)), user_id=None, k=2, exclude=["i10"])
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

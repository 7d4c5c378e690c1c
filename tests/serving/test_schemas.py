import pytest
from pydantic import ValidationError

from serving.schemas.fields import MAX_ID, MAX_K, MAX_LIST
from serving.schemas.requests import (
    PredictRequest,
    RecommendByImageRequest,
    RecommendRequest,
    SimilarRequest,
)


def test_empty_request_asks_for_ten_items_for_anybody():
    request = RecommendRequest.model_validate_json("{}")
    assert (request.user_id, request.k, request.history, request.exclude) == (None, 10, [], [])


@pytest.mark.parametrize(
    "body",
    [
        '{"k": 0}',
        f'{{"k": {MAX_K + 1}}}',
        '{"k": 1000000000000000000000000000000}',
        '{"k": 1.5}',
        '{"k": "10"}',
        '{"k": true}',
        '{"k": null}',
        '{"user_id": 196}',
        '{"user_id": ""}',
        f'{{"user_id": "{"x" * (MAX_ID + 1)}"}}',
        '{"user_id": "u1\\u0000"}',
        '{"user_id": "\\ud800"}',
        '{"nonsense": 1}',
        '{"history": [{"item_id": "i1"}]}',
        '{"history": [{"item_id": "i1", "rating": "5"}]}',
        '{"history": [{"item_id": "i1", "rating": NaN}]}',
        '{"history": [{"item_id": "i1", "rating": Infinity}]}',
        '{"history": [{"item_id": "i1", "rating": 1e999}]}',
        '{"history": [{"item_id": "i1", "rating": 5, "why": "?"}]}',
        '{"history": [["i1", 5]]}',
        '{"exclude": "i1"}',
        '{"exclude": [' + ",".join(['"i1"'] * (MAX_LIST + 1)) + "]}",
        "[]",
        "null",
        "",
        '{"k": 1',
        "[" * 100_000,
    ],
)
def test_request_out_of_bounds_is_refused(body: str):
    with pytest.raises(ValidationError):
        RecommendRequest.model_validate_json(body)


def test_whole_numbers_are_ratings_too():
    body = '{"history": [{"item_id": "i1", "rating": 4}]}'
    assert RecommendRequest.model_validate_json(body).history[0].rating == 4.0


@pytest.mark.parametrize("body", ["{}", '{"item_id": null}', '{"item_id": "i1", "k": -1}'])
def test_look_alikes_need_an_item(body: str):
    with pytest.raises(ValidationError):
        SimilarRequest.model_validate_json(body)


@pytest.mark.parametrize("body", ["{}", '{"pairs": []}', '{"pairs": [{"user_id": "u1"}]}'])
def test_prediction_needs_pairs(body: str):
    with pytest.raises(ValidationError):
        PredictRequest.model_validate_json(body)


def test_form_fields_are_converted_from_text():
    request = RecommendByImageRequest.model_validate({"image": [b"?"], "user_id": "196", "k": "7"})
    assert (request.user_id, request.k) == ("196", 7)


def test_form_fields_out_of_bounds_are_refused():
    with pytest.raises(ValidationError, match="less than or equal to 1000"):
        RecommendByImageRequest.model_validate({"image": b"?", "k": "1001"})


def test_diverse_list_is_bounded():
    RecommendRequest.model_validate({"diversity": 0.5, "k": 100})
    RecommendRequest.model_validate({"k": 1000})
    with pytest.raises(ValidationError, match="k is 100 at most, not 101"):
        RecommendRequest.model_validate({"diversity": 0.5, "k": 101})
    for wrong in (-0.1, 1.1, float("nan"), float("inf")):
        with pytest.raises(ValidationError, match="diversity"):
            RecommendRequest.model_validate({"diversity": wrong})

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from serving.schemas.requests import RecommendByImageRequest, RecommendRequest
from serving.wording import describe

HALF = (
    "the body: Invalid JSON: one of the escapes uD800 to uDFFF stands alone, "
    "which is half a character, at line 1 column 20"
)


def words(model: type[BaseModel], content: Any) -> str:
    read = model.model_validate_json if isinstance(content, str) else model.model_validate
    with pytest.raises(ValidationError) as caught:
        read(content)
    return describe(caught.value.errors()[0])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"k": 5000000}', "k: 5000000 is more than 1000"),
        ('{"k": 0}', "k: 0 is less than 1"),
        ('{"k": 1' + "0" * 30 + "}", "k: the number is more than 1000"),
        ('{"k": 1.5}', "k: not a whole number"),
        ('{"k": true}', "k: not a whole number"),
        ('{"diversity": 1.25}', "diversity: 1.25 is more than 1"),
        ('{"user_id": 5}', "user_id: not a text"),
        ('{"user_id": ""}', "user_id: empty"),
        ('{"user_id": "a\\u0000"}', "user_id: holds a NUL character"),
        ('{"user_id": "' + "u" * 257 + '"}', "user_id: longer than 256 characters"),
        ('{"exclude": "i1"}', "exclude: not a list"),
        ('{"history": [5]}', "history.0: not a JSON object"),
        ('{"history": [{"item_id": "a"}]}', "history.0.rating: missing"),
        ('{"history": [{"item_id": "a", "rating": NaN}]}', "history.0.rating: not a finite number"),
        ('{"surprise": "secret"}', "surprise: there is no such field"),
        ('{"diversity": 1, "k": 101}', "with diversity, k is 100 at most, not 101"),
        ("[]", "the body: not a JSON object"),
        ('{"user_id": "\\ud800"}', HALF),
        ('{"user_id": "a\\udc00"}', HALF),
        ('{"k": 1', "the body: Invalid JSON: EOF while parsing an object at line 1 column 7"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(content: str, sentence: str):
    assert words(RecommendRequest, content) == sentence


def test_number_of_a_form_is_repeated_as_it_was_sent_unless_it_is_long():
    form: dict[str, Any] = {"image": [b"?"]}
    assert words(RecommendByImageRequest, form | {"k": "5000"}) == "k: 5000 is more than 1000"
    assert "000000" not in words(RecommendByImageRequest, form | {"k": "1" + "0" * 25})


def test_rule_without_words_of_ours_keeps_pydantics():
    class Even(BaseModel):
        model_config = ConfigDict(strict=True)
        number: FiniteFloat = Field(multiple_of=2)

    assert words(Even, '{"number": 3}') == "number: Input should be a multiple of 2"

import json

import pytest

from serving.refusal import write_error


@pytest.mark.parametrize("sentence", ["k: 0 is less than 1", 'no item is called "ü\n"', ""])
def test_body_of_an_error_holds_its_sentence_and_nothing_else(sentence: str):
    assert json.loads(write_error(sentence)) == {"error": sentence}


def test_sentence_that_is_no_utf8_is_told_with_question_marks():
    assert json.loads(write_error("no item is called '\ud800'")) == {
        "error": "no item is called '?'"
    }

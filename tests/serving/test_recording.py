"""What is remembered of each kind of answer, without HTTP."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.answers.address import OFF
from components.answers.answered import Answered
from components.answers.log import AnswerLog
from components.settings import Settings
from serving import answers
from serving.asked import answered_from, begin
from serving.guard import caller
from serving.recording import open_log, record
from serving.release import Release, open_release
from serving.schemas.requests import PredictRequest, RecommendRequest, SimilarRequest


class Kept(AnswerLog):
    """A log that lies in memory."""

    def __init__(self) -> None:
        self.rows: list[Answered] = []

    def submit(self, answered: Answered) -> None:
        self.rows.append(answered)


@pytest.fixture(scope="module")
def release(bento: Path) -> Release:
    return open_release(bento, "cpu")


@pytest.fixture
def ask(release: Release) -> Iterator[Callable[..., Answered]]:
    """Record an answer as one request's, and return its row."""

    def ask(request: Any, answer: Any) -> Answered:
        kept = Kept()
        begin([(b"x-request-id", b"order-7")])
        answered_from(release)
        assert record(kept, "here", request, answer) is answer
        (row,) = kept.rows
        return row

    token = caller.set("shop")
    yield ask
    caller.reset(token)


def test_list_is_remembered_with_user_path_and_ratings(
    release: Release, ask: Callable[..., Answered]
):
    request = RecommendRequest(user_id="u1", k=2)
    answer = answers.recommend(release, request)
    row = ask(request, answer)
    assert (row.request_id, row.route, row.version, row.caller) == ("order-7", "here", "3", "shop")
    assert row.lineage_id == answer.model.lineage_id
    assert (row.user_id, row.path) == ("u1", "history")
    assert row.items == tuple(item.item_id for item in answer.items)
    assert row.ratings == tuple(item.rating for item in answer.items)
    assert row.seconds > 0
    assert row.at > 1.7e9


def test_look_alikes_are_remembered_without_ratings(release: Release, ask: Callable[..., Answered]):
    request = SimilarRequest(item_id="i1", k=2)
    row = ask(request, answers.similar(release, request))
    assert (row.user_id, row.path, row.ratings) == (None, None, (None, None))
    assert row.items is not None
    assert len(row.items) == 2


def test_pairs_are_remembered_with_their_users_where_these_differ(
    release: Release, ask: Callable[..., Answered]
):
    def predict(*users: str) -> Answered:
        pairs = [{"user_id": user, "item_id": "i9"} for user in users]
        request = PredictRequest.model_validate({"pairs": pairs})
        return ask(request, answers.predict_rating(release, request))

    two = predict("u1", "x")
    assert (two.user_id, two.users, two.items) == (None, ("u1", "x"), ("i9", "i9"))
    assert (two.path, two.paths) == (None, ("history", "prior"))
    one = predict("u1")
    assert (one.user_id, one.users, one.path, one.paths) == ("u1", None, "history", None)
    assert one.find("u1", "i9") == 0
    assert two.find("x", "i9") == 1


def test_upload_is_remembered_by_both_lists_that_were_shown(
    release: Release, draw: Any, ask: Callable[..., Answered]
):
    embedding_BE = release.embed(draw(4))[None]
    answer = answers.recommend_by_image(release, embedding_BE, user_id="u1", k=1, exclude=[])
    row = ask(RecommendRequest(user_id="u1"), answer)
    best, alike = answer.items[0], answer.similar[0]
    assert best.item_id != alike.item_id
    assert row.items == (best.item_id, alike.item_id)
    assert row.ratings == (best.rating, None)
    told = answers.predict_rating_by_image(release, embedding_BE[0], ["u1", "x"])
    rated = ask(None, told)
    assert (rated.items, rated.users, rated.paths) == (None, ("u1", "x"), ("history", "prior"))
    assert rated.ratings == tuple(one.rating for one in told.ratings)


def test_answer_without_items_is_remembered_as_empty(
    release: Release, ask: Callable[..., Answered]
):
    request = RecommendRequest(exclude=[f"i{row}" for row in range(12)])
    row = ask(request, answers.recommend(release, request))
    assert (row.items, row.ratings) == ((), ())


def test_without_a_log_or_outside_of_a_request_nothing_is_remembered(release: Release):
    import contextvars

    request = RecommendRequest(k=1)
    answer = answers.recommend(release, request)
    begin([])
    answered_from(release)
    assert record(None, "here", request, answer) is answer
    kept = Kept()
    assert contextvars.Context().run(record, kept, "here", request, answer) is answer
    assert kept.rows == []


@pytest.mark.parametrize("address", [None, OFF])
def test_log_that_is_off_is_none(address: str | None):
    assert open_log(Settings(answers_url=address)) is None


def test_log_that_is_none_is_said_and_the_endpoint_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "answers.db").write_bytes(b"no database" * 100)
    assert open_log(Settings(answers_url=f"sqlite:///{tmp_path / 'answers.db'}")) is None
    assert "answer log refused" in caplog.text

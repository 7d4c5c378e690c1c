"""/feedback and what /recommend remembers of it, without HTTP."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.feedback.events import LogBusyError
from components.feedback.log import FeedbackLog
from serving.answers import recommend
from serving.feedback import open_log, recall, take
from serving.refusal import Refusal
from serving.release import Release, open_release
from serving.schemas.answers import FeedbackAnswer, RecommendAnswer
from serving.schemas.requests import FeedbackRequest, RecommendRequest


@pytest.fixture(scope="module")
def release(bento: Path) -> Release:
    return open_release(bento, "cpu")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FeedbackLog]:
    log = open_log(f"sqlite:///{tmp_path / 'feedback.db'}")
    assert log is not None
    yield log
    log.close()


def event(**fields: Any) -> dict[str, Any]:
    told = {"event_id": "e1", "user_id": "u1", "item_id": "i10", "kind": "rating", "value": 5.0}
    return {key: value for key, value in {**told, **fields}.items() if value is not None}


def send(
    release: Release, log: FeedbackLog | None, *events: dict[str, Any], caller: str = ""
) -> FeedbackAnswer:
    request = FeedbackRequest.model_validate({"events": list(events)})
    return asyncio.run(take(release, log, request, caller))


def ask(release: Release, log: FeedbackLog | None, **fields: Any) -> RecommendAnswer:
    request = RecommendRequest.model_validate({"k": 20, **fields})
    return recommend(release, request, recall(release, log, request.user_id))


def ids(answer: RecommendAnswer) -> list[str]:
    return [item.item_id for item in answer.items]


def test_rating_changes_the_next_list_of_that_user_and_leaves_the_item_out(
    release: Release, log: FeedbackLog
):
    before = ask(release, log, user_id="u1")
    assert (before.remembered, "i10" in ids(before)) == (0, True)
    send(release, log, event(value=1.0))
    after = ask(release, log, user_id="u1")
    assert (after.remembered, "i10" in ids(after)) == (1, False)
    assert after.items[0].rating < next(i for i in before.items if i.item_id == "i11").rating
    assert ask(release, log, user_id="u2").remembered == 0


def test_user_whom_training_never_saw_leaves_the_rules_by_a_rating(
    release: Release, log: FeedbackLog
):
    told = send(release, log, event(user_id="new"))
    assert told.unknown_users == ["new"]
    answer = ask(release, log, user_id="new")
    assert (answer.path, answer.remembered) == ("history", 1)
    assert ask(release, log).remembered == 0


def test_last_rating_of_an_item_counts_and_the_requests_own_comes_on_top(
    release: Release, log: FeedbackLog
):
    send(
        release,
        log,
        event(event_id="a", user_id="new", value=1.0, timestamp=2000),
        event(event_id="b", user_id="new", value=5.0, timestamp=3000),
        event(event_id="c", user_id="new", value=2.0, timestamp=1000),
    )
    remembered = recall(release, log, "new")
    assert remembered is not None
    assert remembered.ratings_N.tolist() == [5.0]
    top = [{"item_id": "i10", "rating": 1.0}]
    assert ask(release, log, user_id="new", history=top).items == (
        ask(release, None, user_id="new", history=top).items
    )


def test_what_the_release_learnt_is_not_remembered_twice(release: Release, log: FeedbackLog):
    users = release.predictor.bundle.users
    learnt = users.history(int(users.find(["u1"])[0]))
    item = release.predictor.bundle.catalogue.ids(learnt.items_N[:1])[0]
    when = int(learnt.times_N[0])
    send(release, log, event(event_id="same", item_id=item, timestamp=when))
    assert ask(release, log, user_id="u1").remembered == 0
    send(release, log, event(event_id="later", item_id=item, timestamp=when + 1))
    assert ask(release, log, user_id="u1").remembered == 1


def test_views_and_unknown_items_are_stored_and_named_but_not_remembered(
    release: Release, log: FeedbackLog
):
    told = send(
        release,
        log,
        event(event_id="v", kind="view", value=None),
        event(event_id="x", item_id="gone"),
        event(event_id="y", item_id="gone", user_id="new"),
    )
    assert (told.stored, told.repeated) == (3, 0)
    assert (told.unknown_items, told.unknown_users) == (["gone"], ["new"])
    assert told.model.version == "3"
    assert ask(release, log, user_id="u1").remembered == 0


def test_log_that_cannot_be_read_is_told_and_the_list_comes_all_the_same(
    release: Release, log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise LogBusyError("the feedback log cannot be read (disk I/O error)")

    monkeypatch.setattr(log, "recent_ratings", fail)
    answer = ask(release, log, user_id="u1")
    assert answer.remembered is None
    assert answer.items


def test_same_key_with_other_content_is_a_conflict_for_its_caller_only(
    release: Release, log: FeedbackLog
):
    send(release, log, event(), caller="shop")
    assert send(release, log, event(), caller="shop").repeated == 1
    with pytest.raises(Refusal, match="none of these was stored") as refused:
        send(release, log, event(event_id="other"), event(value=1.0), caller="shop")
    assert refused.value.error_code == 409
    assert send(release, log, event(value=1.0), caller="app").stored == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"value": 6.0}, r"events\.0\.value: 6 is not on the scale from 0\.5 to 5"),
        ({"timestamp": int(time.time()) + 90_000}, r"events\.0\.timestamp: .* in the future"),
    ],
)
def test_event_that_cannot_be_is_refused(
    release: Release, log: FeedbackLog, fields: dict[str, Any], sentence: str
):
    with pytest.raises(Refusal, match=sentence) as refused:
        send(release, log, event(**fields))
    assert refused.value.error_code == 422
    assert log.counts().kinds == {}


def test_without_a_log_the_refusal_names_the_setting(release: Release):
    with pytest.raises(Refusal, match="set BEHOLDER_FEEDBACK_URL") as refused:
        send(release, None, event())
    assert refused.value.error_code == 503


def test_log_that_is_none_is_said_and_the_endpoint_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "feedback.db").write_bytes(b"no database" * 100)
    assert open_log(f"sqlite:///{tmp_path / 'feedback.db'}") is None
    assert "feedback log refused" in caplog.text
    assert open_log(None) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"value": None},
        {"kind": "view"},
        {"kind": "like", "value": None},
        {"value": float("nan")},
        {"value": "5"},
        {"user_id": " u1"},
        {"item_id": "i1\n"},
        {"event_id": ""},
        {"event_id": "x" * 257},
        {"timestamp": -1},
        {"timestamp": 2**40},
        {"timestamp": 1.5},
        {"surprise": 1},
    ],
)
def test_event_out_of_bounds_is_no_event(fields: dict[str, Any]):
    with pytest.raises(ValidationError):
        FeedbackRequest.model_validate({"events": [event(**fields)]})


@pytest.mark.parametrize("number", [0, 1001])
def test_number_of_events_is_bounded(number: int):
    with pytest.raises(ValidationError):
        FeedbackRequest.model_validate({"events": [event()] * number})

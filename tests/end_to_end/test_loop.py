"""The loop that closes: a stack retrains by itself as data comes in and as tastes change."""

import shutil
from collections.abc import Iterator

import pytest

from benchmarks.taste_shift import Story, open_shop, play
from components.data.demo import draw_demo

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(1500)]

_PATIENCE = 600


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """What becomes of a fresh workspace whose visitors change their tastes.

    The only commands are `init`, `up` and `ingest`.
    """
    folder = tmp_path_factory.mktemp("shift")
    drawn = draw_demo(folder / "drawn", seed=5, items=360, users=200, ratings=8_000)
    shop = open_shop(folder, _PATIENCE)
    try:
        yield play(shop, drawn, visits=80)
    finally:
        shop.run("down")
        shutil.rmtree(folder, ignore_errors=True)


def test_new_batch_becomes_a_champion_in_service_with_no_further_command(story: Story):
    first = story.rounds[0]
    assert ({one.kind for one in first.asked}, first.outcome) == ({"data"}, "promoted")
    assert story.calm.versions == {"1"}


def test_champion_that_keeps_its_promise_raises_no_alarm(story: Story):
    assert story.calm_look.champion.version == "1"
    assert story.calm_look.check("rmse").state == "quiet"
    assert story.calm_look.alarms == ()


def test_changed_tastes_are_seen_and_ask_for_a_retraining_with_the_evidence(story: Story):
    assert story.shifted.rmse > 1.2 * story.calm.rmse
    assert "rmse" in {alarm.kind for alarm in story.shifted_look.alarms}
    (asked,) = [one for one in story.rounds[1].asked if one.kind == "online-rmse"]
    assert asked.evidence["value"] > asked.evidence["threshold"]


def test_champion_that_learnt_the_new_tastes_brings_the_online_rmse_down_again(story: Story):
    last = story.rounds[-1]
    assert (last.outcome, story.after.versions) == ("promoted", {str(last.version)})
    assert story.after.rmse < 0.9 * story.shifted.rmse
    online = {one.version: one.rmse.value for one in story.after_look.online}
    assert online[str(last.version)] < online["1"]
    assert "rmse" not in {alarm.kind for alarm in story.after_look.alarms}


def test_status_tells_the_story_on_one_screen(story: Story):
    for service in ("prefect", "mlflow", "worker", "endpoint"):
        assert f"{service} " in story.status
    assert "round 2 promoted, version 2 (" in story.status

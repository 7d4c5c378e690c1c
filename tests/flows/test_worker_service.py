"""Decisions by the form in Prefect's UI and by tags in MLflow's, through a real served deployment.

Version 2 awaits review beside version 1, the champion.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from flows.review_tags import RESULT_TAG, REVIEW_TAG
from flows.servers import worker
from flows.services import Services
from tests.flows.desk import Desk

pytestmark = pytest.mark.integration

Serve = Callable[[], str]


@pytest.fixture
def serve(prefect_server: None, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start the service as 'beholder retrain' does, and return its address."""
    from prefect.settings import PREFECT_API_URL

    from flows.environment import enter

    address = PREFECT_API_URL.value()
    assert address
    enter(desk.workspace)
    services = Services(desk.workspace)
    yield lambda: services.ensure(worker(address))
    services.stop()


def await_result(desk: Desk, *, but: str = "at work") -> str:
    """Wait until the service has said what became of the tag of version 2."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        result = desk.registry.version(2).tags.get(RESULT_TAG, "")
        if result and "→ starting" not in result and but not in result:
            return result
        time.sleep(0.2)  # nothing to await: MLflow tells nobody of a tag
    raise AssertionError(f"no result: {desk.registry.version(2).tags}")


def set_tag(desk: Desk, value: str) -> None:
    desk.registry.annotate(desk.registry.version(2), REVIEW_TAG, value)


def count_runs() -> int:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return len(client.read_flow_runs())


def test_form_and_tags_start_the_flow_once_and_say_what_became_of_it(serve: Serve, desk: Desk):
    from prefect.deployments import run_deployment

    from flows.deployments import name_deployment

    url = serve()
    form = httpx.get(url, follow_redirects=False).headers["location"]
    assert form.endswith("/run")
    assert httpx.get(f"{url}/health").status_code == 200

    set_tag(desk, "yes please")
    assert "not understood; write 'approve: why'" in await_result(desk)
    before = count_runs()

    name = f"promote/{name_deployment(desk.workspace)}"
    bad: dict[str, Any] = {"version": 2, "decision": "perhaps"}
    with pytest.raises(Exception, match=r"409|422|not one of"):
        run_deployment(name, parameters=bad, timeout=0, as_subflow=False)
    given = {"version": 2, "decision": "reject", "reason": "look-alikes", "reviewer": "Anna"}
    run: Any = run_deployment(
        name, parameters=given, timeout=120, poll_interval=1, as_subflow=False
    )
    assert run.state.name == "Rejected"
    told = desk.registry.ledger.read().entries[-1]
    assert (told.actor, told.reason, told.evidence["way"]) == ("Anna", "look-alikes", "form")

    set_tag(desk, "approve by Bert: fine lists")
    result = await_result(desk, but="yes please")
    while "at work" in result:
        result = await_result(desk)
    assert result.startswith("approve by Bert: fine lists → failed: version 2 cannot be approved: ")
    assert "Anna rejected it at" in result
    assert "delete the tag beholder.review_result to try again" in result
    assert count_runs() == before + 2
    assert desk.champion() == 1


def test_tag_is_started_once_though_the_watch_is_killed_between_any_two_steps(
    prefect_server: None, desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    from prefect.client.orchestration import get_client

    from components.promotion.registry import Registry
    from flows.promote_flow import promote
    from flows.tag_watch import TagWatch

    with get_client(sync_client=True) as client:
        flow = client.create_flow(promote)
        place = {"workspace": str(desk.workspace.root)}
        deployment = client.create_deployment(flow, f"watched-{uuid.uuid4()}", parameters=place)
    watch, before = TagWatch(desk.workspace, deployment), count_runs()
    set_tag(desk, "reject: look-alikes")
    annotate = Registry.annotate

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for _ in range(3):  # before it is announced; after the run is made, before that is noted
        monkeypatch.setattr(Registry, "annotate", die)
        with pytest.raises(KeyboardInterrupt):
            watch.look_once()
        monkeypatch.setattr(Registry, "annotate", annotate)
        if "starting" not in desk.registry.version(2).tags.get(RESULT_TAG, ""):
            watch.look_once()
    watch.look_once()
    assert "at work as flow run" in desk.registry.version(2).tags[RESULT_TAG]
    watch.look_once()
    assert count_runs() == before + 1

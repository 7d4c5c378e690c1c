import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.errors import ParameterError
from components.params import Params, load_params
from components.paths import Workspace
from flows.deployments import (
    EVENTS,
    load_flow,
    make_deployment,
    make_trigger,
    name_deployment,
    name_of,
    name_resource,
    plan_deployments,
)

PLACE = Workspace(Path("/srv/shop"))
TEMPLATE = Path(__file__).parents[2] / "params.yaml"


def params(**triggers: Any) -> Params:
    found = load_params(TEMPLATE)
    return found.model_copy(update={"triggers": found.triggers.model_copy(update=triggers)})


def test_every_flow_has_a_deployment_that_finds_its_workspace():
    plans = plan_deployments(PLACE, params())
    assert [plan.full_name for plan in plans] == [
        name_of(PLACE, flow) for flow in ("retrain", "promote", "monitor")
    ]
    for plan in plans:
        assert plan.parameters["workspace"] == "/srv/shop"
        assert load_flow(plan).name == plan.full_name.partition("/")[0]


def test_workspaces_of_one_name_do_not_share_deployments_or_events():
    other = Workspace(Path("/home/anna/shop"))
    assert name_deployment(PLACE).startswith("shop-")
    assert name_deployment(PLACE) != name_deployment(other)
    assert name_resource(PLACE) != name_resource(other)


def test_schedule_is_a_kind_of_its_own_and_off_at_first():
    retrain = plan_deployments(PLACE, params())[0]
    assert retrain.schedule is None
    retrain = plan_deployments(PLACE, params(schedule="0 3 * * *"))[0]
    made = asyncio.run(make_deployment(PLACE, retrain))
    (schedule,) = made.schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("0 3 * * *", "UTC")  # type: ignore[union-attr]
    assert schedule.parameters == {"kind": "schedule", "reason": "schedule 0 3 * * *"}


def test_cron_line_that_no_clock_knows_is_refused_by_name():
    retrain = replace(plan_deployments(PLACE, params())[0], schedule="99 3 * * *")
    with pytest.raises(ParameterError, match=r"triggers\.schedule in params\.yaml: '99 3 "):
        asyncio.run(make_deployment(PLACE, retrain))


@pytest.mark.parametrize("kind", list(EVENTS))
def test_event_of_this_workspace_starts_the_flow_with_its_payload(kind: str):
    trigger = make_trigger(PLACE, kind, 60)
    assert trigger.expect == {EVENTS[kind]}
    assert dict(trigger.match.root) == {"prefect.resource.id": name_resource(PLACE)}
    assert trigger.schedule_after == trigger.within
    given = trigger.parameters
    assert given is not None
    assert given["kind"] == kind
    payload = {"reason": "moved", "evidence": {"psi": 0.4}, "key": "k"}
    assert render(given["reason"], payload) == "moved"
    assert json.loads(render(given["evidence"]["value"], payload)) == {"psi": 0.4}
    assert render(given["key"], payload) == "k"


def test_event_that_says_little_is_heard_by_its_own_id():
    given = make_trigger(PLACE, "drift", 0).parameters
    assert given is not None
    assert render(given["reason"], {}) == "beholder.drift.found"
    assert render(given["key"], {}) == "an-id"
    assert json.loads(render(given["evidence"]["value"], {"psi": 1})) == {"psi": 1}


def render(template: dict[str, str], payload: dict[str, Any]) -> str:
    from types import SimpleNamespace

    from prefect.server.utilities.user_templates import render_user_template_sync

    event = SimpleNamespace(id="an-id", payload=payload)
    return render_user_template_sync(template["template"], {"event": event})

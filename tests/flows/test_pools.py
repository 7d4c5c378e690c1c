"""Work pools: `prefect.yaml`, deployed and run by Prefect's own commands on a real server."""

import asyncio
import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import ParameterError, WorkspaceError
from components.pages.words import describe_moment
from components.params import load_params
from components.paths import Workspace
from flows.asking import ask, open_book
from flows.deployments import EVENTS, Plan, Pool, make_deployment, plan_deployments
from flows.monitoring import NO_CHAMPION
from flows.pool_state import find_trouble
from flows.pools import describe_job, read_pools, worker_command, write_prefect_yaml

Prefect = Callable[..., str]

# What another registration of the same automation has otherwise.
PASSING = ("id", "created", "updated")


def plans_of(workspace: Workspace) -> tuple[Plan, ...]:
    return plan_deployments(workspace, load_params(workspace.params))


def write(workspace: Workspace, name: str = "gpu") -> dict[str, Any]:
    plans = plans_of(workspace)
    pool = Pool(name, describe_job(workspace))
    write_prefect_yaml(workspace, plans, {plan.full_name: pool for plan in plans})
    content: dict[str, Any] = yaml.safe_load(workspace.prefect_yaml.read_text())
    return content


def test_file_is_one_that_prefect_understands_and_holds_every_deployment(workspace: Workspace):
    from prefect.cli.deploy._models import PrefectYamlModel

    content = write(workspace)
    model = PrefectYamlModel.model_validate(content)
    named = [(one.entrypoint, one.name, one.parameters) for one in model.deployments]
    assert named == [
        (plan.flow.replace(":", "."), plan.name, dict(plan.parameters))
        for plan in plans_of(workspace)
    ]
    assert model.pull == []
    for told in content["deployments"]:
        assert told["work_pool"]["name"] == "gpu"
        assert told["work_pool"]["job_variables"]["working_dir"] == str(workspace.root)


def test_file_is_left_alone_where_it_says_the_same(workspace: Workspace):
    write(workspace)
    before = workspace.prefect_yaml.stat()
    write(workspace)
    assert workspace.prefect_yaml.stat().st_mtime_ns == before.st_mtime_ns
    write(workspace, "cpu")
    assert "name: cpu" in workspace.prefect_yaml.read_text()


def test_file_holds_what_a_pool_runs_and_leaves_the_rest_to_our_worker(workspace: Workspace):
    plans = plans_of(workspace)
    pools = {plans[0].full_name: Pool("gpu", {}), plans[1].full_name: None}
    write_prefect_yaml(workspace, plans, pools)
    content = yaml.safe_load(workspace.prefect_yaml.read_text())
    assert [told["entrypoint"] for told in content["deployments"]] == ["flows.retrain_flow.retrain"]


def test_job_is_told_where_things_are_and_no_secret(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "open sesame")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "open sesame")
    monkeypatch.setenv("BEHOLDER_DEVICE", "cuda")
    job = describe_job(workspace)
    assert job["env"] == {
        "BEHOLDER_DEVICE": "cuda",
        "BEHOLDER_WORKSPACE": str(workspace.root),
        "MLFLOW_TRACKING_URI": "https://mlflow.example.org",
    }
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://anna:sesame@mlflow.example.org")
    with pytest.raises(ParameterError, match="MLFLOW_TRACKING_URI holds a password") as refused:
        describe_job(workspace)
    assert "sesame" not in str(refused.value)


def test_job_in_a_container_takes_the_python_of_its_image(workspace: Workspace):
    assert shlex.split(describe_job(workspace)["command"])[0] == sys.executable
    job = describe_job(workspace, container=True)
    assert job["command"] == "python -m flows.pool_run"
    assert "working_dir" not in job


@pytest.mark.parametrize(
    ("told", "said"),
    [({}, "BEHOLDER_WORKSPACE is not set"), ({"BEHOLDER_WORKSPACE": "/nowhere"}, "no workspace")],
    ids=["nothing", "nowhere"],
)
def test_job_that_finds_no_workspace_says_so(told: dict[str, str], said: str):
    left = {name: value for name, value in os.environ.items() if name != "BEHOLDER_WORKSPACE"}
    ended = subprocess.run(
        [sys.executable, "-m", "flows.pool_run"],
        env={**left, **told},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("beholder: ")
    assert said in ended.stderr


# On a real server


@pytest.fixture
def prefect(prefect_server: None, workspace: Workspace, tmp_path: Path) -> Prefect:
    """Call Prefect's own command line from the workspace, as a person would."""
    from prefect.settings import PREFECT_API_URL

    from flows.environment import build_environment

    # A shell of somebody who knows the server's address, and nothing of ours.
    environment = {n: v for n, v in os.environ.items() if n not in build_environment(workspace)}
    environment |= {
        "PATH": os.environ["PATH"],
        "PREFECT_API_URL": PREFECT_API_URL.value() or "",
        "PREFECT_HOME": str(tmp_path / "prefect"),
    }

    def call(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("prefect")), "--no-prompt", *arguments]
        ended = subprocess.run(
            command,
            cwd=workspace.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    return call


@pytest.fixture
def pool(prefect_server: None) -> Iterator[str]:
    """A process work pool, as `prefect work-pool create NAME --type process` makes it."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    name = f"machine {uuid.uuid4()}"
    with get_client(sync_client=True) as client:
        client.create_work_pool(
            WorkPoolCreate(name=name, type="process", base_job_template=template)
        )
    yield name
    with get_client(sync_client=True) as client:
        client.delete_work_pool(name)


def describe_registered(workspace: Workspace) -> dict[str, Any]:
    """Return what Prefect's server holds of each deployment, and what triggers it."""
    from prefect.client.orchestration import get_client

    found: dict[str, Any] = {}
    with get_client(sync_client=True) as client:
        automations = client.request("POST", "/automations/filter").json()
        for plan in plans_of(workspace):
            one = client.read_deployment_by_name(plan.full_name)
            found[plan.full_name] = {
                "entrypoint": one.entrypoint,
                "parameters": one.parameters,
                "tags": one.tags,
                "limit": one.global_concurrency_limit,
                "schema": one.parameter_openapi_schema,
                "enforced": one.enforce_parameter_schema,
                "description": one.description,
                "schedules": [(s.schedule, s.active, s.parameters) for s in one.schedules],
                "automations": {
                    automation["name"]: without_passing(automation)
                    for automation in automations
                    if any(act.get("deployment_id") == str(one.id) for act in automation["actions"])
                },
            }
    return found


def without_passing(told: dict[str, Any]) -> dict[str, Any]:
    return {
        key: without_passing(value) if isinstance(value, dict) else value
        for key, value in told.items()
        if key not in PASSING
    }


def set_params(workspace: Workspace, **changed: Any) -> None:
    content = yaml.safe_load(workspace.params.read_text())
    content["triggers"].update(changed)
    workspace.params.write_text(yaml.safe_dump(content))


@pytest.mark.integration
def test_pool_gets_what_our_worker_serves_and_its_worker_runs_it(
    workspace: Workspace, prefect: Prefect, pool: str
):
    set_params(workspace, schedule="0 3 * * *")
    plans = plans_of(workspace)
    for plan in plans:
        asyncio.run(make_deployment(workspace, plan)).apply()
    served = describe_registered(workspace)
    assert len(served[plans[0].full_name]["automations"]) == len(EVENTS)
    write(workspace, pool)
    prefect("deploy", "--all")
    assert describe_registered(workspace) == served
    assert read_names(plans) == dict.fromkeys(served, pool)
    state = run_in_pool(prefect, pool, plans[2])
    assert (state.name, state.message) == ("Skipped", NO_CHAMPION)


@pytest.mark.torture
def test_pool_answers_a_trigger(workspace: Workspace, prefect: Prefect, pool: str):
    set_params(workspace, wait_seconds=0)
    (retrain, *_) = plans = plans_of(workspace)
    job = Pool(pool, describe_job(workspace))
    for plan in plans:
        asyncio.run(make_deployment(workspace, plan, job)).apply()
    asked = ask(workspace, "data", "new posters")
    assert run_in_pool(prefect, pool, retrain, asked.flow_run).name == "Skipped"
    with open_book(workspace) as book:
        (found,) = book.latest()
    assert (found.outcome, found.flow_run) == ("skipped", asked.flow_run)


def read_names(plans: tuple[Plan, ...]) -> dict[str, str | None]:
    """Return the name of the pool that runs each deployment, as Prefect says."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return {name: pool and pool.name for name, pool in read_pools(client, plans).items()}


def run_in_pool(prefect: Prefect, pool: str, plan: Plan, run_id: str | None = None) -> Any:
    """Let a worker of a pool do what is due, and return how a flow run of a deployment ended."""
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment

    if run_id is None:
        made: Any = run_deployment(plan.full_name, timeout=0, as_subflow=False)
        run_id = str(made.id)
    said = prefect("worker", "start", "--pool", pool, "--type", "process", "--run-once")
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(uuid.UUID(run_id)).state
    assert state is not None
    assert state.is_final(), said
    return state


@pytest.mark.integration
def test_our_worker_leaves_to_a_pool_what_is_in_it_and_takes_it_back(
    workspace: Workspace, prefect_server: None, pool: str, monkeypatch: pytest.MonkeyPatch
):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentUpdate

    from flows.worker_runs import Runs

    plans = plans_of(workspace)
    retrain = plans[0]

    async def live() -> None:
        runs = Runs(workspace)
        await runs.settle()
        assert runs.here == {plan.full_name for plan in plans}
        assert runs.elsewhere == ""
        job = describe_job(workspace)
        write_prefect_yaml(workspace, plans, {retrain.full_name: Pool(pool, job)})
        await (await make_deployment(workspace, retrain, Pool(pool, job))).aapply()
        with monkeypatch.context() as at_work:
            at_work.setattr("flows.worker_runs._has_runs", lambda: True)
            await runs.settle()
        assert retrain.full_name in runs.here, "a run at work here was dropped"
        await runs.settle()
        assert runs.here == {plan.full_name for plan in plans[1:]}
        assert runs.elsewhere == f"retrain is run by the work pool '{pool}'"
        assert read_names(plans) == {retrain.full_name: pool, **dict.fromkeys(runs.here, None)}

        # Other parameters reach the pool, and take nothing out of it.
        set_params(workspace, schedule="0 4 * * *")
        await runs.settle()
        assert read_names(plans)[retrain.full_name] == pool
        (registered,) = describe_registered(workspace)[retrain.full_name]["schedules"]
        assert registered[0].cron == "0 4 * * *"
        assert "0 4 * * *" in workspace.prefect_yaml.read_text()

        async with get_client() as client:
            left = runs.deployments["retrain"]
            await client.update_deployment(left, DeploymentUpdate(work_pool_name=None))
        await runs.settle()
        assert runs.here == {plan.full_name for plan in plans}
        await runs.close()

    asyncio.run(live())
    assert read_names(plans) == dict.fromkeys((plan.full_name for plan in plans), None)


@pytest.mark.integration
def test_command_names_what_is_left_to_do_and_goes_back(
    workspace: Workspace,
    prefect_server: None,
    pool: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolUpdate
    from prefect.settings import PREFECT_API_URL

    from flows.pool_command import join_and_show, leave_and_show, show_pools

    address = PREFECT_API_URL.value() or ""
    monkeypatch.setenv("PREFECT_API_URL", address)
    with pytest.raises(WorkspaceError, match="no deployments yet; run 'beholder up'"):
        show_pools(workspace)
    join_and_show(workspace, "a new one", container=False)
    said = capsys.readouterr().err
    assert f"export PREFECT_API_URL={address}\n" in said
    assert "work-pool create 'a new one' --type process\n" in said
    join_and_show(workspace, pool, container=False)
    assert "work-pool create" not in capsys.readouterr().err

    plans = plans_of(workspace)
    for plan, where in zip(plans, (Pool(pool, {}), None, None), strict=True):
        asyncio.run(make_deployment(workspace, plan, where)).apply()
    show_pools(workspace)
    who, does = f"no worker of the work pool '{pool}' is online", "and no run is due"
    assert capsys.readouterr().err.splitlines() == [
        f"retrain  the work pool '{pool}'",
        "promote  the worker of 'beholder up'",
        "monitor  the worker of 'beholder up'",
        f"{who}, {does}; start one by",
        f"  PREFECT_API_URL={address} {worker_command(pool, 'process')}",
    ]
    asked = ask(workspace, "hand", "new posters")
    (trouble, command) = find_trouble(workspace, [])
    due = describe_moment(asked.starts_at)
    assert trouble == f"{who}, and 1 run waits since {due}; start one by"
    assert shlex.quote(pool) in command
    with get_client(sync_client=True) as client:
        client.update_work_pool(pool, WorkPoolUpdate(is_paused=True))
    (trouble, command) = find_trouble(workspace, [])
    assert trouble.startswith(f"the work pool '{pool}' is paused, and 1 run waits")
    assert "work-pool resume" in command
    with get_client(sync_client=True) as client:
        client.update_work_pool(pool, WorkPoolUpdate(is_paused=False))
        client.send_worker_heartbeat(pool, "a worker", 30)
    assert find_trouble(workspace, []) == []
    before = describe_registered(workspace)
    leave_and_show(workspace)
    assert f"{plans[0].full_name} left the work pool '{pool}'" in capsys.readouterr().err
    assert read_names(plans) == dict.fromkeys(before, None)
    assert describe_registered(workspace) == before
    assert not workspace.prefect_yaml.exists()
    leave_and_show(workspace)
    assert "no work pool runs anything" in capsys.readouterr().err

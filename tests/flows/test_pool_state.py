"""What is said of work pools for which nobody works."""

from pathlib import Path

import pytest

from components.paths import Workspace
from components.settings import load_settings
from flows.pool_state import PoolState, describe_trouble, find_trouble
from flows.services import ServiceState

URL = "http://127.0.0.1:4200/api"


def describe(**changed: object) -> list[str]:
    pool = PoolState("gpu box", "process", False, 0, 0, None)
    return list(describe_trouble([PoolState(**{**vars(pool), **changed})], URL))  # type: ignore[arg-type]


def test_pool_without_a_worker_is_named_with_the_command_that_starts_one():
    says, command = describe()
    assert says == "no worker of the work pool 'gpu box' is online, and no run is due; start one by"
    assert command.startswith(f"  PREFECT_API_URL={URL} ")
    assert command.endswith("prefect worker start --pool 'gpu box' --type process")


@pytest.mark.parametrize(
    ("waiting", "said"),
    [(1, "and 1 run waits since"), (3, "and 3 runs wait since"), (200, "and at least 200 runs")],
)
def test_runs_that_wait_are_counted_and_since_when(waiting: int, said: str):
    says, _ = describe(waiting=waiting, since=1_000_000_000.0)
    assert said in says
    assert "since 2001-09-09 01:46 UTC; start one by" in says


def test_pool_that_is_paused_is_told_to_go_on():
    says, command = describe(is_paused=True, online=2)
    assert says.startswith("the work pool 'gpu box' is paused, ")
    assert command.endswith("prefect work-pool resume 'gpu box'")


def test_pool_with_a_worker_is_no_trouble():
    assert describe(online=1, waiting=2, since=0.0) == []


def test_nothing_is_said_where_prefect_does_not_answer(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    workspace.prefect_yaml.touch()
    assert find_trouble(workspace, []) == []
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    load_settings.cache_clear()
    assert find_trouble(workspace, []) == []


def test_prefect_is_not_asked_where_no_pool_was_ever_joined(tmp_path: Path):
    server = ServiceState("prefect", "http://127.0.0.1:1", managed=True, healthy=True)
    assert find_trouble(Workspace(tmp_path), [server]) == []

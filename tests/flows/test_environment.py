import os
import shutil
import sys
from pathlib import Path

import pytest

from components.child import interpreter_first
from components.paths import Workspace
from components.settings import TELEMETRY_OFF
from flows.environment import build_environment, enter

HERE = Workspace(Path("/somewhere/here"))


def test_telemetry_is_off_and_state_lies_in_the_workspace():
    found = build_environment(HERE)
    assert TELEMETRY_OFF.items() <= found.items()
    assert found["BEHOLDER_WORKSPACE"] == "/somewhere/here"
    for name in ("PREFECT_HOME", "DVC_SITE_CACHE_DIR"):
        assert Path(found[name]).is_relative_to(HERE.state)


def test_nothing_unsafe_is_left_to_the_libraries():
    found = build_environment(HERE)
    assert found["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert found["PREFECT_RESULTS_DEFAULT_SERIALIZER"] == "json"
    assert found["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] == "false"
    assert all(isinstance(value, str) for value in found.values())


def test_python_is_this_one(monkeypatch: pytest.MonkeyPatch):
    found = shutil.which("python", path=interpreter_first())
    assert found is not None
    assert Path(found).parent == Path(sys.executable).parent
    monkeypatch.delenv("PATH")
    assert interpreter_first().split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_what_a_caller_adds_wins():
    assert build_environment(HERE, PREFECT_HOME="/other")["PREFECT_HOME"] == "/other"


def test_entering_gives_it_to_this_process(own_environment: None):
    enter(HERE, COLOUR="blue")
    assert os.environ["BEHOLDER_WORKSPACE"] == "/somewhere/here"
    assert os.environ["COLOUR"] == "blue"

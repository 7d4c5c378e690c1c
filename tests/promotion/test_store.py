import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import ParameterError, ServiceError, WorkspaceError
from components.promotion.store import Store, enter_environment


@pytest.mark.parametrize("uri", ["file:///tmp/runs", "/tmp/runs", "postgresql://db/mlflow", ""])
def test_address_of_another_kind_is_refused(uri: str):
    with pytest.raises(ParameterError, match="MLFLOW_TRACKING_URI"):
        Store(uri)


def test_pickles_stay_off_whatever_the_user_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    enter_environment()
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_timeouts_of_the_user_stand(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "99")
    enter_environment()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "99"


def test_new_store_mends_what_a_kill_left_and_its_artifacts_lie_beside(mlflow_template: Path):
    assert [path.name for path in mlflow_template.parent.glob("*.tmp*")] == []
    store = Store(f"sqlite:///{mlflow_template}")
    assert store.artifact_root == mlflow_template.parent / "mlartifacts"
    assert store.ask("look", lambda client: client.search_registered_models()) == []


def test_what_does_not_exist_is_none_to_find_and_an_error_to_ask(mlflow_uri: str):
    store = Store(mlflow_uri)
    assert store.find("find it", lambda client: client.get_registered_model("no")) is None
    with pytest.raises(ServiceError, match="could not find it"):
        store.ask("find it", lambda client: client.get_registered_model("no"))


def test_what_exists_is_none_to_create(mlflow_uri: str):
    store = Store(mlflow_uri)
    assert store.create("make it", lambda client: client.create_registered_model("m")) is not None
    assert store.create("make it", lambda client: client.create_registered_model("m")) is None


def test_dead_server_is_said_soon_and_without_credentials(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = Store("http://user:secret@127.0.0.1:9")
    with pytest.raises(ServiceError, match=r"http://127\.0\.0\.1:9 could not look") as error:
        store.ask("look", lambda client: client.search_experiments())
    assert "secret" not in str(error.value)


def test_busy_store_is_asked_again(mlflow_uri: str):
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

    answers = iter([MlflowException("locked", TEMPORARILY_UNAVAILABLE), None])

    def call(_: object) -> str:
        if (error := next(answers)) is not None:
            raise error
        return "done"

    assert Store(mlflow_uri).ask("look", call) == "done"


def test_lock_keeps_another_process_out(mlflow_uri: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("components.promotion.store._LOCK_SECONDS", 0.1)
    script = (
        "import sys\n"
        "from components.promotion.store import Store\n"
        f"with Store({mlflow_uri!r}).hold('model'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    store = Store(mlflow_uri)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(WorkspaceError, match=f"process {other.pid}"), store.hold("model"):
            pass
        with store.hold("another model"):
            pass
        other.kill()
        other.communicate()
    with store.hold("model"):
        pass


def test_server_lock_lies_with_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with Store("http://127.0.0.1:9").hold("model"):
        assert len(list((tmp_path / "beholder/locks").iterdir())) == 1


def test_writers_of_one_file_are_one_domain_and_machines_of_a_server_are_several(
    mlflow_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert Store(mlflow_uri).domain == Store(mlflow_uri).domain == "sqlite"
    domains = []
    for home in ("one", "one", "other"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / home))
        domains.append(Store("http://127.0.0.1:1").domain)
    assert domains[0] == domains[1] != domains[2]

import json
import os
from pathlib import Path

import pytest

from components.errors import CorruptFileError, WorkspaceError
from components.files import write_json
from components.paths import Workspace
from flows.credentials import describe_login, ensure_credentials, find_credentials, find_login
from flows.environment import build_environment
from flows.servers import mlflow_server


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_credentials_are_drawn_once_for_their_owner_alone(place: Workspace):
    assert find_credentials(place) is None
    made = ensure_credentials(place)
    assert ensure_credentials(place) == find_credentials(place) == made
    assert place.credentials.stat().st_mode & 0o777 == 0o600
    assert len(made.mlflow_password) >= 12  # MLflow takes no shorter one
    other = ensure_credentials(Workspace(place.root / "other"))
    assert other.mlflow_password != made.mlflow_password


def test_credentials_that_others_may_read_are_refused(place: Workspace):
    ensure_credentials(place)
    place.credentials.chmod(0o640)
    with pytest.raises(WorkspaceError, match="is open to others; run 'chmod 600"):
        ensure_credentials(place)


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_credentials_that_are_damaged_are_refused_by_name(place: Workspace, content: str):
    ensure_credentials(place)
    place.credentials.write_text(content)
    with pytest.raises(CorruptFileError, match=r"credentials\.json"):
        find_credentials(place)


def test_password_goes_to_our_own_server_and_to_no_other(place: Workspace):
    password = ensure_credentials(place).mlflow_password
    write_json(place.run / "services/ports.json", {"mlflow": {"port": 5000}})
    for own in ("http://127.0.0.1:5000", "http://localhost:5000"):
        assert find_login(place, own)["MLFLOW_TRACKING_PASSWORD"] == password
    for other in ("http://127.0.0.1:5001", "https://mlflow.example.org:5000", "sqlite:///a", None):
        assert find_login(place, other) == {}


def test_commands_sign_in_by_themselves_unless_a_user_is_named(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
):
    password = ensure_credentials(place).mlflow_password
    write_json(place.run / "services/ports.json", {"mlflow": {"port": 5000}})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert build_environment(place)["MLFLOW_TRACKING_PASSWORD"] == password
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna")
    assert "MLFLOW_TRACKING_PASSWORD" not in build_environment(place)


def test_server_gets_its_password_by_the_environment_and_says_where_it_lies(place: Workspace):
    service = mlflow_server(place)
    password = ensure_credentials(place).mlflow_password
    assert service.environment["MLFLOW_AUTH_ADMIN_PASSWORD"] == password
    rules = Path(service.environment["MLFLOW_AUTH_CONFIG_PATH"])
    assert password not in rules.read_text()
    assert password not in " ".join(service.command("127.0.0.1", 5000))
    assert (place.state / "mlflow-auth.db").stat().st_mode & 0o777 == 0o600
    assert password not in describe_login(place)
    assert str(place.credentials) in describe_login(place)
    assert os.fspath(place.credentials).endswith(".beholder/credentials.json")
    assert json.loads(place.credentials.read_text())["mlflow_password"] == password

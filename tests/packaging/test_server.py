import sys
from pathlib import Path

import pytest

from components.errors import CorruptFileError
from components.packaging.server import serve_command, serve_environment


def test_command_names_bento_address_and_workers(bento: Path):
    command = serve_command(bento, "127.0.0.1", 3001, 2)
    assert command[:2] == ["env", "BENTOML_CONFIG_OPTIONS=services.beholder.workers=2"]
    assert command[2:6] == [sys.executable, "-m", "bentoml", "serve"]
    assert command[6:] == [str(bento), "--host", "127.0.0.1", "--port", "3001"]


def test_command_of_a_relative_bento_names_it_from_the_root(
    bento: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(bento.parent)
    assert str(bento.resolve()) in serve_command(Path(bento.name), "127.0.0.1", 3001, 1)


def test_command_takes_another_interpreter(bento: Path):
    assert "/opt/python" in serve_command(bento, "::1", 1, 1, python=Path("/opt/python"))


def test_folder_that_is_no_release_is_refused(tmp_path: Path):
    with pytest.raises(CorruptFileError, match="no Beholder release"):
        serve_command(tmp_path, "127.0.0.1", 3001, 1)


def test_environment_turns_telemetry_off_and_keeps_the_bento_clean(bento: Path):
    environment = serve_environment(bento)
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    assert Path(environment["BENTOML_HOME"]).parent == bento.parent
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


def test_endpoints_of_one_bento_count_apart(bento: Path, tmp_path: Path):
    homes = {
        serve_environment(bento, folder=tmp_path / name)["BENTOML_HOME"] for name in ("a", "b")
    }
    assert homes == {str(tmp_path / "a/bentoml"), str(tmp_path / "b/bentoml")}

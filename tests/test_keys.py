"""API keys: what a file of them holds, and who finds which."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConflictError, CorruptFileError, DataError
from components.keys import (
    SCOPES,
    KeyRing,
    Rate,
    make_key,
    parse_rate,
    parse_scopes,
    read_keys,
    revoke_key,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state/keys.json"


def test_key_is_kept_by_its_hash_and_found_by_its_token(file: Path):
    token = make_key(file, "shop", ("recommend",), Rate(100, 1))
    other = make_key(file, "app", SCOPES, None)
    assert token not in file.read_text()
    assert token[4:] not in file.read_text()
    assert len(token) >= 47
    assert token != other
    found = KeyRing(file).find(token, 0.0)
    assert found is not None
    assert (found.name, found.scopes, found.rate) == ("shop", ("recommend",), Rate(100, 1))
    assert KeyRing(file).find("bhk_guessed", 0.0) is None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_keys_made_and_revoked_count_within_half_a_second(file: Path):
    ring = KeyRing(file)
    assert ring.is_empty(0.0)
    token = make_key(file, "shop", ("recommend",), None)
    assert ring.find(token, 0.4) is None
    assert ring.find(token, 0.5) is not None
    revoke_key(file, "shop")
    assert ring.find(token, 0.9) is not None
    assert ring.find(token, 1.0) is None


def test_file_that_is_gone_or_broken_lets_nobody_in(file: Path, caplog: pytest.LogCaptureFixture):
    token = make_key(file, "shop", ("recommend",), None)
    ring = KeyRing(file)
    assert ring.find(token, 0.0) is not None
    whole = file.read_text()
    file.write_text("{")
    assert ring.find(token, 1.0) is None
    assert "keys not understood" in caplog.text
    file.write_text(whole)
    assert ring.find(token, 2.0) is not None
    file.unlink()
    assert ring.find(token, 3.0) is None
    assert KeyRing(None).find(token, 0.0) is None


def test_name_that_is_taken_or_unknown_is_refused(file: Path):
    make_key(file, "shop", ("recommend",), None)
    with pytest.raises(ConflictError, match="keys revoke shop"):
        make_key(file, "shop", ("feedback",), None)
    with pytest.raises(DataError, match="there: shop"):
        revoke_key(file, "app")
    assert [key.name for key in read_keys(file)] == ["shop"]


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "x" * 65, "ü", "a\n"])
def test_name_that_is_none_is_refused(file: Path, name: str):
    with pytest.raises(DataError, match="name"):
        make_key(file, name, ("recommend",), None)
    assert not file.exists()


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '{"keys": [{}]}',
        '{"keys": [{"name": "a", "sha256": "x", "scopes": [], "rate": null, "made_at": 1}]}',
        '{"keys": [{"name": "a", "sha256": "' + "0" * 64 + '", "scopes": ["all"], "rate": null, '
        '"made_at": 1}]}',
        '{"keys": [{"name": "a", "sha256": "' + "0" * 64 + '", "scopes": [], "rate": '
        '{"count": 0, "seconds": 1}, "made_at": 1}]}',
    ],
)
def test_file_of_something_else_is_refused(tmp_path: Path, content: str):
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(CorruptFileError, match=r"keys\.json"):
        read_keys(file)


def test_killed_writer_leaves_the_keys_as_they_were(file: Path, monkeypatch: pytest.MonkeyPatch):
    make_key(file, "shop", ("recommend",), None)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        make_key(file, "app", ("recommend",), None)
    assert [key.name for key in read_keys(file)] == ["shop"]


def test_scopes_are_read_in_any_order_once():
    assert parse_scopes("feedback, recommend,feedback") == ("recommend", "feedback")


@pytest.mark.parametrize("text", ["", ",", "all", "recommend,admin"])
def test_scopes_that_are_none_are_refused_with_those_there_are(text: str):
    with pytest.raises(DataError, match="recommend, feedback, operate"):
        parse_scopes(text)


@given(st.integers(1, 10**9 - 1), st.sampled_from("smh"))
def test_rate_is_read_as_it_is_shown(count: int, unit: str):
    assert str(parse_rate(f"{count}/{unit}")) == f"{count}/{unit}"


@pytest.mark.parametrize("text", ["", "0/s", "-1/s", "1/d", "1", "1.5/s", "1e3/s", "9999999999/s"])
def test_rate_that_is_none_is_refused(text: str):
    with pytest.raises(DataError, match="100/s"):
        parse_rate(text)

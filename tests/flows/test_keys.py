"""`beholder keys`, and what an endpoint is told of them."""

import pytest

from components.errors import WorkspaceError
from components.keys import KeyRing, make_key
from components.paths import Workspace
from components.settings import Settings
from flows.endpoint_settings import build_settings, check_keys, describe_keys
from flows.keys import make_and_show, revoke_and_show, show_keys


def test_key_is_shown_once_listed_without_its_token_and_revoked(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    make_and_show(workspace, "shop", scopes="recommend,feedback", rate="100/s")
    out, err = capsys.readouterr()
    token = out.strip()
    assert KeyRing(workspace.keys).find(token, 0.0) is not None
    assert "shown this once" in err
    assert token not in err
    show_keys(workspace)
    out = capsys.readouterr().out
    assert all(part in out for part in ("shop", "recommend,feedback", "100/s", "since 20"))
    assert token not in out
    revoke_and_show(workspace, "shop")
    show_keys(workspace)
    assert "beholder keys make" in capsys.readouterr().out


def test_endpoint_that_others_reach_needs_a_key_to_start(workspace: Workspace):
    with pytest.raises(WorkspaceError, match=r"others can reach 0\.0\.0\.0.*beholder keys make"):
        check_keys(workspace, Settings(), "0.0.0.0")
    make_key(workspace.keys, "shop", ("recommend",), None)
    check_keys(workspace, Settings(), "0.0.0.0")
    told = build_settings(workspace, Settings(), "0.0.0.0")
    assert told["BEHOLDER_REQUIRE_KEYS"] == "true"
    assert told["BEHOLDER_KEYS_FILE"] == str(workspace.keys)
    assert "required (1 there" in describe_keys(workspace, Settings(), "0.0.0.0")


def test_endpoint_on_loopback_asks_for_none_and_says_so(workspace: Workspace):
    check_keys(workspace, Settings(), "127.0.0.1")
    assert build_settings(workspace, Settings(), "::1")["BEHOLDER_REQUIRE_KEYS"] == "false"
    assert "off, for only this machine" in describe_keys(workspace, Settings(), "127.0.0.1")


def test_endpoint_keeps_answers_in_the_workspace_unless_that_is_off(workspace: Workspace):
    told = build_settings(workspace, Settings(answers_days=7), "127.0.0.1")
    assert told["BEHOLDER_ANSWERS_URL"] == f"sqlite:///{workspace.answers}"
    assert told["BEHOLDER_ANSWERS_DAYS"] == "7"
    off = build_settings(workspace, Settings(answers_url="off"), "127.0.0.1")
    assert off["BEHOLDER_ANSWERS_URL"] == "off"


def test_settings_decide_before_the_address_does(workspace: Workspace):
    with pytest.raises(WorkspaceError, match="BEHOLDER_REQUIRE_KEYS asks for keys"):
        check_keys(workspace, Settings(require_keys=True), "127.0.0.1")
    free = Settings(require_keys=False)
    check_keys(workspace, free, "0.0.0.0")
    assert "BEHOLDER_REQUIRE_KEYS says so" in describe_keys(workspace, free, "0.0.0.0")

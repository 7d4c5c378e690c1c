from pathlib import Path

import pytest

from components.errors import CorruptFileError, ParameterError, WorkspaceError
from components.notices.notice import KINDS
from components.notices.receiver import find_receiver, keep_receiver, make_receiver
from components.paths import Workspace

URL = "https://user:pa55word@hooks.example.com:8443/T0/S3cretPath?token=S3cretQuery"


@pytest.mark.parametrize(
    ("host", "form"),
    [
        ("hooks.slack.com", "slack"),
        ("discord.com", "discord"),
        ("ntfy.sh", "text"),
        ("example.com", "json"),
    ],
)
def test_form_is_what_the_host_is_known_to_understand(host: str, form: str):
    assert make_receiver(f"https://{host}/x", None, None).form == form
    assert make_receiver(f"https://{host}/x", "text", None).form == "text"


def test_nothing_that_shows_a_receiver_shows_its_secret():
    receiver = make_receiver(URL, None, None)
    assert receiver.shown_url == "https://hooks.example.com:8443/…"
    shown = f"{receiver} {receiver!r} {receiver.hide(f'POST {URL} failed')} " + receiver.hide(
        "no such path /T0/S3cretPath, and token=S3cretQuery is wrong for user"
    )
    for secret in ("S3cret", "pa55word", "user:"):
        assert secret not in shown


@pytest.mark.parametrize(
    "url",
    ["", "-", "hooks.example.com/S3cret", "ftp://a/S3cret", "http:///S3cret", "http://[S3cret"],
)
def test_what_is_no_url_is_refused_without_being_repeated(url: str):
    with pytest.raises(ParameterError, match="copy it whole") as caught:
        make_receiver(url, None, None)
    assert "S3cret" not in str(caught.value)


def test_kinds_are_chosen_by_name_and_unknown_ones_refused():
    assert make_receiver(URL, None, "drift, failed").on == ("failed", "drift")
    assert make_receiver(URL, None, None).on == make_receiver(URL, None, "all").on == KINDS
    for on in ("promotion", "", ","):
        with pytest.raises(ParameterError, match="is none of review, promoted"):
            make_receiver(URL, None, on)
    with pytest.raises(ParameterError, match="--kind xml is none of json, slack"):
        make_receiver(URL, "xml", None)


def test_receiver_is_kept_for_its_owner_alone(tmp_path: Path):
    workspace = Workspace(tmp_path)
    assert find_receiver(workspace) is None
    receiver = make_receiver(URL, "slack", "failed")
    keep_receiver(workspace, receiver)
    assert find_receiver(workspace) == receiver
    assert workspace.receiver.stat().st_mode & 0o777 == 0o600
    workspace.receiver.chmod(0o644)
    with pytest.raises(WorkspaceError, match="is open to others; run 'chmod 600"):
        find_receiver(workspace)


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"url": "x", "form": "json", "on": []}'])
def test_file_that_is_damaged_is_refused_by_name(tmp_path: Path, content: str):
    workspace = Workspace(tmp_path)
    keep_receiver(workspace, make_receiver(URL, None, None))
    workspace.receiver.write_text(content)
    with pytest.raises(CorruptFileError, match=r"notify\.json"):
        find_receiver(workspace)

"""docs/developers.md: its examples run as they stand there, but for the demo's ids."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from serving.service import Beholder

pytestmark = pytest.mark.integration

GUIDE = (Path(__file__).parents[2] / "docs/developers.md").read_text()
# What the demo's workspace has, and what the Bento of the tests has instead.
HERE = {
    "print-0001": "i1",
    "print-0002": "i2",
    "print-0003": "i3",
    "visitor-0066": "u1",
    "Hills": "landscape",
    '"u7"': '"guide"',
    "user_ids=u7": "user_ids=guide",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, draw: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "picture.jpg").write_bytes(draw(4))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def translate(block: str, url: str) -> str:
    for there, here in {**HERE, "http://127.0.0.1:3000": url}.items():
        block = block.replace(there, here)
    return block


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.split("\n")[0])
def test_python_runs(block: str, url: str, place: Path):
    printed = io.StringIO()
    names: dict[str, Any] = {}
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(translate(block, url), "docs/developers.md", "exec"), names)
    finally:
        if "beholder" in names:
            names["beholder"].close()  # the block may have failed before it did
    assert printed.getvalue()


@pytest.mark.parametrize("block", blocks("bash"), ids=lambda block: block.split("\n")[0])
def test_curl_is_answered(block: str, url: str, place: Path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (place / ".curlrc").write_text('fail-with-body\nno-progress-meter\nwrite-out = "\\n"\n')
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", translate(block, url)],
        cwd=place,
        env={**os.environ, "CURL_HOME": str(place), "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    calls = sum(line.startswith("curl") for line in block.splitlines())
    beside = block.count("/picture?") + block.count("/metrics")
    assert len(answers) == calls - beside
    assert all("model" in answer for answer in answers)


def test_every_address_and_every_refusal_is_told():
    document = Beholder.openapi_spec.asdict()
    curls = "\n".join(blocks("bash"))
    probes = ("/livez", "/healthz", "/readyz")
    for path, methods in document["paths"].items():
        if path not in probes:
            assert path.replace("{item_id}", "print-0001") in curls
        (operation,) = methods.values()
        for status in operation["responses"]:
            if status != "200":
                assert re.search(rf"^\|[ 0-9,]*\b{status}\b[ 0-9,]*\|", GUIDE, re.MULTILINE), status

from pathlib import Path

import pytest

from components.notices.deliveries import Deliveries, Delivery, keep_delivery, read_deliveries
from components.paths import Workspace

GOOD, BAD = Delivery("2026-11-22", True, "200"), Delivery("2026-11-23", False, "500")


def test_last_call_and_last_failure_are_remembered(tmp_path: Path):
    workspace = Workspace(tmp_path)
    assert read_deliveries(workspace) == Deliveries()
    for made, then in [(GOOD, Deliveries(GOOD)), (BAD, Deliveries(BAD, BAD))]:
        keep_delivery(workspace, made)
        assert read_deliveries(workspace) == then
    keep_delivery(workspace, GOOD)
    assert read_deliveries(workspace) == Deliveries(GOOD, BAD)


@pytest.mark.parametrize("content", ["{", "[]", '{"last": {"x": 1}, "failed": null}'])
def test_note_that_is_damaged_says_nothing(tmp_path: Path, content: str):
    workspace = Workspace(tmp_path)
    keep_delivery(workspace, GOOD)
    workspace.deliveries.write_text(content)
    assert read_deliveries(workspace) == Deliveries()
    keep_delivery(workspace, BAD)
    assert read_deliveries(workspace) == Deliveries(BAD, BAD)

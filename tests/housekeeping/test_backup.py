import shutil
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from components.errors import CorruptFileError, WorkspaceError
from components.files import hash_tree
from components.housekeeping.backup import restore_backup, write_backup
from components.paths import Workspace


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """A workspace with a file of each kind, and a SQLite file that is being written."""
    root = tmp_path / "shop"
    for name in (
        "params.yaml",
        "dvc.lock",
        "data/batches.json",
        "data/raw/batches/aa.dvc",
        "reports/evaluation/metrics.json",
        ".git/HEAD",
        ".beholder/ledger/shop.jsonl",
        ".beholder/mlartifacts/1/file",
        ".beholder/keys.json",
        ".beholder/cache/machines/aa.json",
        # What comes from elsewhere, or is made anew:
        "data/raw/batches/aa/ratings.parquet",
        "data/accepted/ratings.parquet",
        "models/served/weights.safetensors",
        ".dvc/cache/files/md5/aa/bb",
        ".beholder/bentos/1/src",
        ".beholder/cache/embeddings/aa",
        ".beholder/run/retrain.lock",
        ".beholder/mlflow.db.lock",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    config = "['remote \"storage\"']\n    url = ../../shop.remote\n"
    (root / ".dvc/config").write_text(config)
    (root / ".dvc/config.local").write_text("a password")
    with closing(sqlite3.connect(root / ".beholder/mlflow.db")) as store, store:
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("CREATE TABLE experiments (artifact_location)")
        store.execute("CREATE TABLE runs (artifact_uri)")
        store.execute("CREATE TABLE logged_models (artifact_location)")
        store.execute("CREATE TABLE model_versions (source, storage_location)")
        place = f"{root}/.beholder/mlartifacts/1"
        store.execute("INSERT INTO runs VALUES (?), (?)", (place, "s3://bucket/2"))
        store.execute("INSERT INTO model_versions VALUES (?, NULL)", (place,))
    return Workspace(root)


def ask(file: Path, question: str) -> list[object]:
    with closing(sqlite3.connect(file)) as store:
        return [value for (value,) in store.execute(question)]


def test_backup_holds_what_lies_nowhere_else_and_comes_back_in_another_place(
    shop: Workspace, tmp_path: Path
):
    target = tmp_path / "copies/shop.tar"
    told = write_backup(shop, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["shop.tar"]
    shutil.rmtree(shop.root)
    again = restore_backup(target, tmp_path / "elsewhere/shop")
    found = hash_tree(again.root)
    assert found.keys() == told.files.keys()
    assert found.keys() >= {".git/HEAD", ".beholder/keys.json", ".beholder/cache/machines/aa.json"}
    for name in ("models", "data/accepted", ".dvc/cache", ".dvc/config.local", ".beholder/bentos"):
        assert not (again.root / name).exists()
    assert not list(again.state.rglob("*.lock"))


def test_artifacts_and_the_remote_are_found_from_the_new_place(shop: Workspace, tmp_path: Path):
    write_backup(shop, tmp_path / "shop.tar")
    again = restore_backup(tmp_path / "shop.tar", tmp_path / "elsewhere/shop")
    store = again.state / "mlflow.db"
    place = f"{again.root}/.beholder/mlartifacts/1"
    assert ask(store, "SELECT artifact_uri FROM runs") == [place, "s3://bucket/2"]
    assert Path(place, "file").is_file()
    assert ask(store, "SELECT source FROM model_versions") == [place]
    assert ask(store, "SELECT storage_location FROM model_versions") == [None]
    assert f"url = {tmp_path}/shop.remote" in (again.root / ".dvc/config").read_text()


def test_what_is_committed_while_a_backup_is_written_is_there_whole_or_not(
    shop: Workspace, tmp_path: Path
):
    with closing(sqlite3.connect(shop.state / "mlflow.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO runs VALUES ('half')")
        write_backup(shop, tmp_path / "shop.tar")
        writer.execute("ROLLBACK")
    again = restore_backup(tmp_path / "shop.tar", tmp_path / "again")
    assert len(ask(again.state / "mlflow.db", "SELECT artifact_uri FROM runs")) == 2


def test_nothing_that_stands_is_overwritten(shop: Workspace, tmp_path: Path):
    target = tmp_path / "shop.tar"
    write_backup(shop, target)
    with pytest.raises(WorkspaceError, match="is there already"):
        write_backup(shop, target)
    with pytest.raises(WorkspaceError, match="is not empty"):
        restore_backup(target, shop.root)


def test_damaged_backup_is_refused_and_leaves_nothing(shop: Workspace, tmp_path: Path):
    target = tmp_path / "shop.tar"
    write_backup(shop, target)
    content = target.read_bytes()
    changed = tmp_path / "changed.tar"
    changed.write_bytes(
        content.replace(b".beholder/ledger/shop.jsonl", b".beholder/ledger/shop.jsonX", 1)
    )
    cut = tmp_path / "cut.tar"
    cut.write_bytes(content[: len(content) // 2])
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as tar:
        tar.add(shop.params, "params.yaml")
    for file in (changed, cut, other, tmp_path / "none.tar"):
        with pytest.raises(CorruptFileError):
            restore_backup(file, tmp_path / "again")
        assert not (tmp_path / "again").exists()

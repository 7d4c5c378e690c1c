"""The two bundles that a version holds: their common digest, and fetching them whole."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components.errors import CorruptFileError, ServiceError
from components.files import hash_json, write_folder
from components.models.bundle import MANIFEST, verify_bundle
from components.promotion.store import Store

EVALUATION, SERVED = "evaluation", "served"
ARTIFACTS = "artifacts"


@dataclass(frozen=True)
class Bundles:
    """The folders of both bundles: comparisons read `evaluation`, the endpoint `served`."""

    evaluation: Path
    served: Path

    def verify(self) -> str:
        """Re-hash every file of both and return their common digest.

        Raises CorruptFileError naming the first file that is missing, changed or not listed.
        """
        return hash_json(
            {EVALUATION: _verify(self.evaluation), SERVED: _verify(self.served)},
        )


def _verify(folder: Path) -> str:
    if not (folder / MANIFEST).is_file():
        raise CorruptFileError(f"bundle {folder}: {MANIFEST} is missing")
    try:
        return verify_bundle(folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(f"bundle {folder}: {MANIFEST} lists no files") from error


def verify_artifacts(store: Store, location: str, digest: str) -> None:
    """Re-hash the bundles at an artifact location; raise CorruptFileError if they differ."""
    if (local := _local_path(location)) is not None:
        _check(_bundles_in(local / ARTIFACTS), digest, location)
        return
    with tempfile.TemporaryDirectory(prefix="beholder-") as folder:
        _check(_bundles_in(_download(store, location, Path(folder))), digest, location)


def fetch_artifacts(store: Store, location: str, digest: str, target: Path) -> Bundles:
    """Copy the bundles at an artifact location to `target`, verified; what is there is reused.

    Raises CorruptFileError if their bytes are not those that were logged, and leaves `target`
    as it was.
    """
    bundles = _bundles_in(target)
    try:
        _check(bundles, digest, str(target))
    except CorruptFileError:
        with write_folder(target) as beside:
            if (local := _local_path(location)) is not None:
                _copy(local / ARTIFACTS, beside, location)
            else:
                _copy(_download(store, location, beside / ".download"), beside, location)
                shutil.rmtree(beside / ".download")
            _check(_bundles_in(beside), digest, location)
    return bundles


def fetch_file(store: Store, location: str, name: str, folder: Path) -> Path | None:
    """Return one file of the bundles at an artifact location, unverified; None if it is gone.

    `name` is its path from there, `served/items.parquet` for example. It is fetched into `folder`
    unless it lies on this disk.
    """
    if (local := _local_path(location)) is not None:
        path = local / ARTIFACTS / name
        return path if path.is_file() else None
    from mlflow.artifacts import download_artifacts

    try:
        found = store.ask(
            f"download {name} of a model",
            lambda _: download_artifacts(
                artifact_uri=f"{location}/{ARTIFACTS}/{name}",
                dst_path=str(folder),
                tracking_uri=store.uri,
            ),
        )
    except (ServiceError, OSError):
        return None
    return Path(found)


def measure_artifacts(store: Store, location: str) -> int:
    """Return the bytes of the bundles at an artifact location; 0 where there are none."""
    if (local := _local_path(location)) is not None:
        files = (local / ARTIFACTS).rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file())
    repository = _open_repository(store, location)

    def measure(folder: str) -> int:
        return sum(
            measure(found.path) if found.is_dir else int(found.file_size or 0)
            for found in repository.list_artifacts(folder)
        )

    return store.ask("measure the artifacts of a model", lambda _: measure(ARTIFACTS))


def remove_artifacts(store: Store, location: str) -> None:
    """Remove the bundles at an artifact location, and leave what describes them."""
    if (local := _local_path(location)) is not None:
        shutil.rmtree(local / ARTIFACTS, ignore_errors=True)
        return
    repository = _open_repository(store, location)
    store.ask("remove the artifacts of a model", lambda _: repository.delete_artifacts(ARTIFACTS))


def _open_repository(store: Store, location: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(location, tracking_uri=store.uri)


def _bundles_in(folder: Path) -> Bundles:
    return Bundles(folder / EVALUATION, folder / SERVED)


def _local_path(location: str) -> Path | None:
    parts = urlsplit(location)
    return Path(parts.path) if parts.scheme in ("", "file") else None


def _download(store: Store, location: str, folder: Path) -> Path:
    from mlflow.artifacts import download_artifacts

    folder.mkdir(parents=True, exist_ok=True)
    found = store.ask(
        "download the artifacts of a model",
        lambda _: download_artifacts(
            artifact_uri=f"{location}/{ARTIFACTS}", dst_path=str(folder), tracking_uri=store.uri
        ),
    )
    return Path(found)


def _copy(source: Path, target: Path, location: str) -> None:
    for name in (EVALUATION, SERVED):
        if not (source / name).is_dir():
            raise _broken(location, f"{name} is missing")
        shutil.copytree(source / name, target / name)


def _check(bundles: Bundles, digest: str, location: str) -> None:
    try:
        found = bundles.verify()
    except CorruptFileError as error:
        raise _broken(location, str(error)) from error
    if found != digest:
        raise _broken(location, f"the digest is {found}, not {digest}")


def _broken(location: str, why: str) -> CorruptFileError:
    return CorruptFileError(
        f"the model at {location} is not complete: {why}; run 'beholder retrain' to log it again"
    )

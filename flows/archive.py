"""All registered versions with what their runs remember, read once each: for looking back."""

import logging
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from components.batches import Batch, data_version, read_batch_list, read_batches
from components.errors import CorruptFileError
from components.files import hash_json, read_json
from components.models.bundle import MANIFEST
from components.packaging.bento import NAME
from components.packaging.release import ReleaseManifest, read_release
from components.paths import Workspace
from components.promotion.artifacts import EVALUATION, SERVED, fetch_file
from components.promotion.chain import Chain
from components.promotion.registry import CHAMPION, PREVIOUS, Version
from components.promotion.store import Store
from components.promotion.version import LINEAGE_ID_TAG
from components.settings import load_settings
from flows.releases import bento_folder, open_registry
from flows.run_record import BATCHES, RunFacts, RunFiles, find_run, open_files
from flows.trace_names import Name
from flows.tracking import store_address

DATA_VERSION_TAG = "beholder.data_version"
_TAG_DIGITS = 16

log = logging.getLogger(__name__)


class Archive:
    """What is known of the versions of a workspace's registry; use it in a `with` block."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.registry = open_registry(workspace)
        self.store = Store(store_address(workspace, load_settings()))
        self._open = ExitStack()
        self._files: dict[str, RunFiles] = {}
        self._runs: dict[str, RunFacts | None] = {}
        self._batches: dict[str, tuple[Batch, ...]] = {}

    def __enter__(self) -> Self:
        """Begin to read."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was fetched."""
        self._open.close()

    @cached_property
    def versions(self) -> list[Version]:
        """All versions, newest first."""
        return self.registry.versions()

    @cached_property
    def ledger(self) -> Chain:
        """The ledger's chain."""
        return self.registry.ledger.read()

    @cached_property
    def aliases(self) -> dict[str, int]:
        """Which version each alias names."""
        named = {CHAMPION: self.registry.champion(), PREVIOUS: self.registry.previous()}
        return {name: found.number for name, found in named.items() if found is not None}

    @cached_property
    def listed(self) -> tuple[Batch, ...]:
        """The batches that the workspace learns from now."""
        return read_batches(self.workspace)

    def version(self, number: int) -> Version:
        """Return a version; raise ServiceError if there is none of that number."""
        return self.registry.version(number)

    def run(self, version: Version) -> RunFacts | None:
        """Return the run that a version came from; None if it is gone."""
        if version.run_id not in self._runs:
            self._runs[version.run_id] = (
                find_run(self.store, version.run_id) if version.run_id else None
            )
        return self._runs[version.run_id]

    def files(self, version: Version) -> RunFiles:
        """Return the artifacts of a version's run."""
        if version.run_id not in self._files:
            opened = self._open.enter_context(open_files(self.store, version.run_id))
            self._files[version.run_id] = opened
        return self._files[version.run_id]

    def batches(self, version: Version) -> tuple[Batch, ...] | None:
        """Return what a version learnt from, in order; None if nothing tells it any more.

        Versions of one data version learnt from one list, so one of them that remembers is enough.
        """
        wanted = version.tags.get(DATA_VERSION_TAG, "")
        if wanted not in self._batches:
            found = self._read_batches(version)
            if found is None and data_version(self.listed) == wanted:
                found = self.listed
            if found is None:
                return None
            self._batches[wanted or data_version(found)] = found
            return found
        return self._batches[wanted]

    def manifest(self, version: Version) -> ReleaseManifest | None:
        """Return what the version's Bento on this disk says of itself; None if there is none."""
        try:
            return read_release(bento_folder(self.workspace, version))
        except (CorruptFileError, OSError):
            return None

    def artifact(self, version: Version, name: str) -> Path | None:
        """Return a file of the version's bundles, `served/items.parquet` say; None if it is gone.

        What the name says is what its manifest promises: the bytes are not hashed.
        """
        folder = self.files(version).folder / f"bundles-{version.number}"
        known = folder / Path(name).name
        return known if known.is_file() else fetch_file(self.store, version.location, name, folder)

    def holds_artifacts(self, version: Version) -> bool:
        """Say whether both bundles are where they were logged, by their manifests."""
        digests = {}
        for bundle in (EVALUATION, SERVED):
            found = self.artifact(version, f"{bundle}/{MANIFEST}")
            try:
                digests[bundle] = None if found is None else hash_json(read_json(found))
            except CorruptFileError:
                return False
        return hash_json(digests) == version.digest

    @cached_property
    def names(self) -> list[Name]:
        """Everything by which a version, a batch or a data version may be asked for."""
        found = [Name("version", alias, number) for alias, number in self.aliases.items()]
        for version in self.versions:
            found += self._name(version)
        found += [Name("batch", batch.id) for batch in self.listed]
        told = [self.batches(version) or () for version in self.versions]
        found += [Name("batch", batch.id) for batches in told for batch in batches]
        return list(dict.fromkeys(found))

    def _name(self, version: Version) -> list[Name]:
        number, tags = version.number, version.tags
        named = [
            Name("version", str(number), number),
            Name("lineage", tags.get(LINEAGE_ID_TAG, ""), number),
            Name("run", version.run_id, number),
            *(
                Name("bundle", digest, number)
                for digest in (
                    version.digest,
                    *map(tags.get, (f"beholder.{EVALUATION}", f"beholder.{SERVED}")),
                )
                if digest
            ),
            Name("data", tags.get(DATA_VERSION_TAG, "")),
        ]
        if (manifest := self.manifest(version)) is not None:
            named += [
                Name("bento", bento_tag(manifest).partition(":")[2], number),
                Name("bento", manifest.content, number),
            ]
        named += [
            Name("bento", str(entry.evidence["bento"]), number)
            for entry in self.ledger.entries
            if entry.version == number and entry.evidence.get("bento")
        ]
        return [name for name in named if name.text]

    def _read_batches(self, version: Version) -> tuple[Batch, ...] | None:
        path = self.files(version).find(BATCHES) if version.run_id else None
        try:
            found = None if path is None else read_batch_list(path)
        except CorruptFileError as error:
            log.warning("list of batches broken version=%d why=%s", version.number, error)
            return None
        wanted = version.tags.get(DATA_VERSION_TAG)
        if found is not None and wanted is not None and data_version(found) != wanted:
            log.warning("list of batches is another version's version=%d", version.number)
            return None
        return found


def bento_tag(manifest: ReleaseManifest) -> str:
    """Return the tag under which BentoML knows a release."""
    return f"{NAME}:{manifest.recipe[:_TAG_DIGITS]}"

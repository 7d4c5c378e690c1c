"""The registry of versions and their aliases: the only module that asks MLflow for it."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import ConflictError, CorruptFileError, ServiceError
from components.promotion.artifacts import Bundles, fetch_artifacts, verify_artifacts
from components.promotion.gate import TrialFacts, Verdict
from components.promotion.pyfunc import DIGEST_TAG, Logged
from components.promotion.store import Store

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, PREVIOUS = "champion", "previous"

VERDICT_TAG = "beholder.verdict"
REASONS_TAG = "beholder.reasons"
TRIAL_TAG = "beholder.trial"
_REPLACED_TAG = "beholder.replaced"
_NOBODY = "none"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Version:
    """A registered version: its number, both bundles' digest, its run, place and tags."""

    number: int
    digest: str
    run_id: str
    location: str
    tags: Mapping[str, str]

    @property
    def verdict(self) -> Verdict | None:
        """What the gate said of it; None before it did."""
        if VERDICT_TAG not in self.tags:
            return None
        return Verdict.from_json(
            {
                "decision": self.tags[VERDICT_TAG],
                "reasons": json.loads(self.tags.get(REASONS_TAG, "[]")),
            }
        )


class Registry:
    """The versions of one registered model, and which of them is champion.

    Every call is safe to repeat, and to repeat after a kill at any point. The alias `champion`
    is the one truth; the version that it names remembers whom it replaced, and the alias
    `previous` follows from that.
    """

    def __init__(self, tracking_uri: str, model_name: str) -> None:
        self._store = Store(tracking_uri)
        self._name = model_name

    # Looking

    def champion(self) -> Version | None:
        """Return the version in service; None before the first."""
        number = self._aliases().get(CHAMPION)
        return None if number is None else self.version(number)

    def previous(self) -> Version | None:
        """Return the version that the champion replaced; None if there is none."""
        champion = self.champion()
        number = None if champion is None else _read_replaced(champion)
        return None if number is None else self._find_version(number)

    def version(self, number: int) -> Version:
        """Return a version; raise ServiceError if there is none of that number."""
        found = self._find_version(number)
        if found is None:
            raise ServiceError(
                f"{self._name} has no version {number} in {self._store.name}; "
                "'beholder status' shows those that it has"
            )
        return found

    def versions(self) -> list[Version]:
        """Return all versions, newest first."""
        return self._search(f"name = '{self._name}'")

    def find(self, digest: str) -> Version | None:
        """Return the newest version of these bundles; None if they were never registered."""
        found = self._search(f"name = '{self._name}' and tags.`{DIGEST_TAG}` = '{digest}'")
        return found[0] if found else None

    def download(self, version: Version, folder: Path) -> Bundles:
        """Fetch a version's bundles into `folder`, verified; what is there already is reused.

        Raises CorruptFileError if the store does not give back what was logged.
        """
        return fetch_artifacts(self._store, version.location, version.digest, folder)

    # Registering and marking

    def register(self, logged: Logged, tags: Mapping[str, str]) -> Version:
        """Register a logged model, unless a sound version of the same bundles exists: return that.

        The artifacts are fetched and hashed first: MLflow itself would register a version of
        nothing. Raises CorruptFileError if they are not complete.
        """
        with self._hold():
            existing = self.find(logged.digest)
            if existing is not None and self._is_sound(existing):
                log.info("version exists number=%d digest=%s", existing.number, existing.digest)
                return existing
            verify_artifacts(self._store, logged.location, logged.digest)
            self._store.create(
                f"create the registered model {self._name}",
                lambda client: client.create_registered_model(self._name),
            )
            # The tags go in with the version, in one transaction: no version without its digest.
            made = self._store.ask(
                "register a version",
                lambda client: client.create_model_version(
                    self._name,
                    source=logged.location,
                    run_id=logged.run_id,
                    model_id=logged.model_id,
                    tags={**tags, DIGEST_TAG: logged.digest},
                    await_creation_for=0,
                ),
            )
        version = _read_version(made)
        log.info("version registered number=%d digest=%s", version.number, version.digest)
        return version

    def mark(self, version: Version, verdict: Verdict) -> None:
        """Write the gate's verdict on a version, and as its description; the last one stands."""
        lines = [f"**{verdict.decision}**", "", *(f"- {reason}" for reason in verdict.reasons)]
        self._store.ask(
            f"describe version {version.number}",
            lambda client: client.update_model_version(
                self._name, str(version.number), "\n".join(lines)
            ),
        )
        self._tag(version, REASONS_TAG, json.dumps(verdict.reasons, ensure_ascii=False))
        self._tag(version, VERDICT_TAG, verdict.decision)

    def annotate(self, version: Version, key: str, value: str) -> None:
        """Write a tag on a version; the last value stands."""
        self._tag(version, key, value)

    def mark_trial(self, version: Version, trial: TrialFacts) -> None:
        """Write on a version whether it passed its trial; without that nobody can promote it."""
        self._tag(version, TRIAL_TAG, "failed" if trial.failures else "passed")

    # Moving the alias

    def promote(self, version: Version, expected: Version | None) -> None:
        """Make a version champion, if the champion still is the `expected` one that the gate saw.

        Raises ConflictError if the champion is another by now, if the version did not pass its
        trial, and CorruptFileError if its artifacts are not complete. To promote the champion
        itself changes nothing: so a promotion that was killed is simply repeated.
        """
        with self._hold():
            champion = self.champion()
            if champion is not None and champion.number == version.number:
                self._settle_previous()
                return
            self._refuse_moved(champion, expected)
            self._refuse_untried(self.version(version.number))
            verify_artifacts(self._store, version.location, version.digest)
            replaced = _NOBODY if champion is None else str(champion.number)
            self._tag(version, _REPLACED_TAG, replaced)
            self._point(CHAMPION, version.number)
            self._settle_previous()
            # A server's alias could have been moved from another machine meanwhile.
            self._refuse_moved(self.champion(), version)
        log.info("champion moved from=%s to=%d", replaced, version.number)

    def _settle_previous(self) -> None:
        """Let the alias `previous` follow from the champion."""
        aliases = self._aliases()
        previous = self.previous()
        if previous is None and PREVIOUS in aliases:
            self._store.ask(
                "remove the alias previous",
                lambda client: client.delete_registered_model_alias(self._name, PREVIOUS),
            )
        elif previous is not None and aliases.get(PREVIOUS) != previous.number:
            self._point(PREVIOUS, previous.number)

    def _refuse_moved(self, champion: Version | None, expected: Version | None) -> None:
        found = None if champion is None else champion.number
        wanted = None if expected is None else expected.number
        if found != wanted:
            raise ConflictError(
                f"the champion of {self._name} is version {found or _NOBODY} by now, not "
                f"{wanted or _NOBODY}; run 'beholder retrain' to compare with the new one"
            )

    def _refuse_untried(self, version: Version) -> None:
        trial = version.tags.get(TRIAL_TAG, "missing")
        if trial != "passed":
            raise ConflictError(
                f"version {version.number} of {self._name} cannot be promoted, its trial is "
                f"{trial}; run 'beholder retrain' for one that passes"
            )

    # MLflow

    @contextmanager
    def _hold(self) -> Iterator[None]:
        with self._store.hold(f"model {self._name}"):
            yield

    def _aliases(self) -> dict[str, int]:
        model = self._store.find(
            f"find the registered model {self._name}",
            lambda client: client.get_registered_model(self._name),
        )
        # SQLite gives numbers, a server gives text.
        return {} if model is None else {name: int(to) for name, to in model.aliases.items()}

    def _find_version(self, number: int) -> Version | None:
        found = self._store.find(
            f"find version {number}",
            lambda client: client.get_model_version(self._name, str(number)),
        )
        return None if found is None else _read_version(found)

    def _search(self, filter_string: str) -> list[Version]:
        found = self._store.ask(
            "look for versions",
            lambda client: client.search_model_versions(
                filter_string, order_by=["version_number DESC"]
            ),
        )
        return sorted(map(_read_version, found), key=lambda version: -version.number)

    def _is_sound(self, version: Version) -> bool:
        try:
            verify_artifacts(self._store, version.location, version.digest)
        except CorruptFileError as error:
            log.warning("version damaged number=%d why=%s", version.number, error)
            return False
        return True

    def _tag(self, version: Version, key: str, value: str) -> None:
        self._store.ask(
            f"tag version {version.number}",
            lambda client: client.set_model_version_tag(
                self._name, str(version.number), key, value
            ),
        )

    def _point(self, alias: str, number: int) -> None:
        self._store.ask(
            f"move the alias {alias}",
            lambda client: client.set_registered_model_alias(self._name, alias, str(number)),
        )


def _read_version(found: "ModelVersion") -> Version:
    return Version(
        number=int(found.version),
        digest=found.tags.get(DIGEST_TAG, ""),
        run_id=found.run_id or "",
        location=found.source,
        tags=dict(found.tags),
    )


def _read_replaced(version: Version) -> int | None:
    replaced = version.tags.get(_REPLACED_TAG, _NOBODY)
    return None if replaced == _NOBODY else int(replaced)

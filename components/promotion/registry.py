"""The registry of versions and their aliases: the only module that asks MLflow for it."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from components.errors import BeholderError, ConflictError, CorruptFileError, ServiceError
from components.files import hash_json
from components.promotion.artifacts import (
    Bundles,
    fetch_artifacts,
    measure_artifacts,
    remove_artifacts,
    verify_artifacts,
)
from components.promotion.chain import PROMOTION, ROLLBACK, Mark
from components.promotion.gate import TrialFacts, Verdict
from components.promotion.journal import FileJournal, Journal, RunJournal, open_run
from components.promotion.ledger import Ledger
from components.promotion.moving import CHAMPION, PREVIOUS, Move, Mover
from components.promotion.pyfunc import DIGEST_TAG, Logged
from components.promotion.store import Store
from components.promotion.version import (
    FREED_TAG,
    LINEAGE_ID_TAG,
    REASONS_TAG,
    TRIAL_TAG,
    VERDICT_TAG,
    Version,
)

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

__all__ = ["CHAMPION", "PREVIOUS", "Drift", "RegisteredModelBoard", "Registry", "Version"]

LEDGER_FOLDER = "ledger"
_LEDGER_TAG = "beholder.ledger"
_LEDGER_RUN_TAG = "beholder.ledger_run"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drift:
    """The alias names `alias`, and the ledger's last word is `ledger`: it was moved by hand."""

    alias: int | None
    ledger: int | None


class Registry:
    """The versions of one registered model, and which of them is champion.

    Every call is safe to repeat, and to repeat after a kill at any point. The alias `champion`
    is the one truth; the version that it names remembers whom it replaced, and the alias
    `previous` follows from that. The ledger tells how it all came about.
    """

    def __init__(self, tracking_uri: str, model_name: str) -> None:
        self._store = Store(tracking_uri)
        self._name = model_name
        self._board = RegisteredModelBoard(self._store, model_name)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of this model: beside a SQLite store, or in a run of the server."""
        return Ledger(self._open_journal(), self._board)

    # Looking

    def champion(self) -> Version | None:
        """Return the version in service; None before the first."""
        number = self._board.champion()
        return None if number is None else self.version(number)

    def previous(self) -> Version | None:
        """Return the version that the champion replaced; None if there is none."""
        champion = self.champion()
        number = None if champion is None else champion.replaced
        return None if number is None else self._board.find_version(number)

    def version(self, number: int) -> Version:
        """Return a version; raise ServiceError if there is none of that number."""
        found = self._board.find_version(number)
        if found is None:
            raise ServiceError(
                f"{self._name} has no version {number} in {self._store.name}; "
                "'beholder status' shows those that it has"
            )
        return found

    def versions(self) -> list[Version]:
        """Return all versions, newest first."""
        return self._board.search(f"name = '{self._name}'")

    def tagged(self, key: str) -> list[Version]:
        """Return the versions that have a tag, newest first."""
        return self._board.search(f"name = '{self._name}' and tags.`{key}` like '%'")

    def find(self, digest: str) -> Version | None:
        """Return the newest version of these bundles; None if they were never registered."""
        found = self._board.search(f"name = '{self._name}' and tags.`{DIGEST_TAG}` = '{digest}'")
        return found[0] if found else None

    def was_champion(self, version: Version) -> bool:
        """Say whether Beholder made a version champion once."""
        told = self.ledger.read().last("opened", "moved", version=version.number)
        return told is not None or version.has_replaced

    def find_drift(self) -> Drift | None:
        """Return where alias and ledger differ; None where they agree or the ledger is silent.

        A move that is under way is no drift, and neither is one that a kill left open.
        """
        first = self._look_for_drift()
        # Alias and ledger are two reads, between which a move may have ended.
        return first if first is not None and first == self._look_for_drift() else None

    def _look_for_drift(self) -> Drift | None:
        position = self.ledger.read().position
        alias = self._board.champion()
        if position.pending is not None or not position.is_known or position.champion == alias:
            return None
        return Drift(alias, position.champion)

    def download(self, version: Version, folder: Path) -> Bundles:
        """Fetch a version's bundles into `folder`, verified; what is there already is reused.

        Raises CorruptFileError if the store does not give back what was logged.
        """
        try:
            return fetch_artifacts(self._store, version.location, version.digest, folder)
        except CorruptFileError as error:
            raise _explain_freed(version) or error from error

    def measure(self, version: Version) -> int:
        """Return how many bytes the store keeps of a version's bundles."""
        return measure_artifacts(self._store, version.location)

    def free(self, version: Version) -> None:
        """Let a version's bundles go for good; its entry, tags and run stay.

        Raises ConflictError for the champion and the one before.
        """
        with self._hold():
            named = {self._board.champion(), self._board.aliases().get(PREVIOUS)}
            if version.number in named:
                raise ConflictError(f"version {version.number} is champion, or was just before")
            self._board.tag_version(
                version.number, FREED_TAG, datetime.now(UTC).isoformat(timespec="seconds")
            )
            remove_artifacts(self._store, version.location)

    # Registering and marking

    def register(self, logged: Logged, tags: Mapping[str, str]) -> Version:
        """Register a logged model, unless a sound version of the same bundles exists: return that.

        The artifacts are fetched and hashed first: MLflow itself would register a version of
        nothing. Raises CorruptFileError if they are not complete.
        """
        with self._hold():
            version = self.find(logged.digest)
            if version is not None and self._is_sound(version):
                log.info("version exists number=%d digest=%s", version.number, version.digest)
            else:
                verify_artifacts(self._store, logged.location, logged.digest)
                self._board.create()
                version = self._board.create_version(logged, tags)
                log.info("version registered number=%d digest=%s", version.number, version.digest)
            self._record_registration(version)
        return version

    def mark(
        self, version: Version, verdict: Verdict, evidence: Mapping[str, Any] | None = None
    ) -> None:
        """Write the gate's verdict on a version, and as its description; the last one stands.

        The ledger keeps every one, with the `evidence` that it was found on.
        """
        lines = [f"**{verdict.decision}**", "", *(f"- {reason}" for reason in verdict.reasons)]
        self._board.describe_version(version.number, "\n".join(lines))
        reasons = json.dumps(verdict.reasons, ensure_ascii=False)
        self._board.tag_version(version.number, REASONS_TAG, reasons)
        self._board.tag_version(version.number, VERDICT_TAG, verdict.decision)
        found = {"decision": verdict.decision, "verdict": hash_json(verdict.to_json())}
        self.ledger.append_once(
            "verdict",
            version=version.number,
            reason="; ".join(verdict.reasons),
            evidence={**(evidence or {}), **found},
        )

    def annotate(self, version: Version, key: str, value: str) -> None:
        """Write a tag on a version; the last value stands."""
        self._board.tag_version(version.number, key, value)

    def mark_trial(self, version: Version, trial: TrialFacts) -> None:
        """Write on a version whether it passed its trial; without that nobody can promote it."""
        said = "failed" if trial.failures else "passed"
        self._board.tag_version(version.number, TRIAL_TAG, said)

    # Moving the alias

    def promote(
        self,
        version: Version,
        expected: Version | None,
        *,
        reason: str = "",
        evidence: Mapping[str, Any] | None = None,
        actor: str | None = None,
        despite_rollback: bool = False,
    ) -> None:
        """Make a version champion, if the champion still is the `expected` one that the gate saw.

        Raises ConflictError if the champion is another by now, if the version did not pass its
        trial, or if somebody went back from it (unless a person decides `despite_rollback`), and
        CorruptFileError if its artifacts are not complete. To promote the champion itself changes
        nothing: so a promotion that was killed is simply repeated.
        """
        self._move(
            *(version, expected, PROMOTION, reason, evidence, actor),
            despite_rollback=despite_rollback,
        )

    def roll_back(
        self,
        version: Version,
        expected: Version | None,
        *,
        reason: str,
        evidence: Mapping[str, Any] | None = None,
        actor: str | None = None,
    ) -> None:
        """Make a version champion again, by the rules of `promote`.

        `previous` becomes the one that this version replaced when it was promoted, so that going
        back twice goes back two steps. The champion that was left is not promoted again by itself.
        """
        self._move(*(version, expected, ROLLBACK, reason, evidence, actor), despite_rollback=True)

    def settle(self) -> None:
        """End what a kill left of a move: in the ledger, and for the alias `previous`."""
        with self._hold():
            Mover(self._board, self.ledger).settle()

    def _move(
        self,
        version: Version,
        expected: Version | None,
        purpose: str,
        reason: str,
        evidence: Mapping[str, Any] | None,
        actor: str | None,
        *,
        despite_rollback: bool,
    ) -> None:
        with self._hold():
            fresh = self.version(version.number)
            check = partial(self._verify, fresh)
            Mover(self._board, self.ledger).move(
                Move(
                    *(fresh, expected, check, purpose, reason, evidence or {}, actor),
                    despite_rollback=despite_rollback,
                )
            )

    # Inside

    @contextmanager
    def _hold(self) -> Iterator[None]:
        with self._store.hold(f"model {self._name}"):
            yield

    def _verify(self, version: Version) -> None:
        verify_artifacts(self._store, version.location, version.digest)

    def _is_sound(self, version: Version) -> bool:
        try:
            self._verify(version)
        except CorruptFileError as error:
            log.warning("version damaged number=%d why=%s", version.number, error)
            return False
        return True

    def _record_registration(self, version: Version) -> None:
        if self.ledger.read().last("registered", version=version.number) is None:
            evidence = {"digest": version.digest, "run": version.run_id}
            lineage = version.tags.get(LINEAGE_ID_TAG)
            self.ledger.append(
                "registered",
                version=version.number,
                evidence=evidence if lineage is None else {**evidence, "lineage": lineage},
            )

    def _open_journal(self) -> Journal:
        if self._store.file is not None:
            name = f"{quote(self._name, safe='')}.jsonl"
            return FileJournal(self._store.file.parent / LEDGER_FOLDER / name)
        return RunJournal(self._store, self._board.find_ledger_run)


class RegisteredModelBoard:
    """One registered model as MLflow keeps it: aliases, tags and versions, a call each."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._ledger_run: str | None = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def domain(self) -> str:
        """Whom the registry's lock keeps apart."""
        return self._store.domain

    # The model

    def create(self, tags: Mapping[str, str] | None = None) -> bool:
        """Create the registered model; False if it stands already, and is left as it is."""
        made = self._store.create(
            f"create the registered model {self._name}",
            lambda client: client.create_registered_model(self._name, tags=dict(tags or {})),
        )
        return made is not None

    def aliases(self) -> dict[str, int]:
        """Return which version each alias names."""
        model = self._find()
        # SQLite gives numbers, a server gives text.
        return {} if model is None else {name: int(to) for name, to in model.aliases.items()}

    def champion(self) -> int | None:
        """Return whom the alias names."""
        return self.aliases().get(CHAMPION)

    def point(self, alias: str, number: int) -> None:
        """Let an alias name a version."""
        self._store.ask(
            f"move the alias {alias}",
            lambda client: client.set_registered_model_alias(self._name, alias, str(number)),
        )

    def unpoint(self, alias: str) -> None:
        """Remove an alias."""
        self._store.ask(
            f"remove the alias {alias}",
            lambda client: client.delete_registered_model_alias(self._name, alias),
        )

    # The ledger's home

    def recall(self) -> Mark | None:
        """Return what is remembered of the ledger's last entry."""
        text = self._tags().get(_LEDGER_TAG)
        return None if text is None else Mark.from_text(text)

    def remember(self, mark: Mark) -> None:
        """Remember the ledger's last entry."""
        if self._find() is None:
            self.create()
        self._write_tag(_LEDGER_TAG, mark.to_text())

    def hold(self) -> AbstractContextManager[None]:
        """Hold the lock of the ledger's writers."""
        return self._store.hold(f"ledger of {self._name}")

    def find_ledger_run(self, is_wanted: bool) -> str | None:
        """Return the run that holds a server's ledger; made, if wanted, with the model itself.

        Of two machines that make it at once, the one whose model is created has made it. Beside a
        model that stood there without a ledger, the last one to say so has.
        """
        self._ledger_run = self._ledger_run or self._tags().get(_LEDGER_RUN_TAG)
        if self._ledger_run is None and is_wanted:
            made = open_run(self._store, self._name)
            if not self.create({_LEDGER_RUN_TAG: made}) and _LEDGER_RUN_TAG not in self._tags():
                self._write_tag(_LEDGER_RUN_TAG, made)
            self._ledger_run = self._tags()[_LEDGER_RUN_TAG]
        return self._ledger_run

    # Its versions

    def create_version(self, logged: Logged, tags: Mapping[str, str]) -> Version:
        """Register a logged model.

        The tags go in with the version, in one transaction: no version without its digest.
        """
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
        return _read_version(made)

    def find_version(self, number: int) -> Version | None:
        """Return a version, None if there is none of that number."""
        found = self._store.find(
            f"find version {number}",
            lambda client: client.get_model_version(self._name, str(number)),
        )
        return None if found is None else _read_version(found)

    def search(self, filter_string: str) -> list[Version]:
        """Return the versions that fit, newest first."""
        found = self._store.ask(
            "look for versions",
            lambda client: client.search_model_versions(
                filter_string, order_by=["version_number DESC"]
            ),
        )
        return sorted(map(_read_version, found), key=lambda version: -version.number)

    def tag_version(self, number: int, key: str, value: str) -> None:
        """Write a tag on a version."""
        self._store.ask(
            f"tag version {number}",
            lambda client: client.set_model_version_tag(self._name, str(number), key, value),
        )

    def describe_version(self, number: int, description: str) -> None:
        """Write the description of a version, in Markdown."""
        self._store.ask(
            f"describe version {number}",
            lambda client: client.update_model_version(self._name, str(number), description),
        )

    def _find(self) -> "RegisteredModel | None":
        return self._store.find(
            f"find the registered model {self._name}",
            lambda client: client.get_registered_model(self._name),
        )

    def _tags(self) -> dict[str, str]:
        model = self._find()
        return {} if model is None else dict(model.tags)

    def _write_tag(self, key: str, value: str) -> None:
        self._store.ask(
            f"write {key} on the registered model {self._name}",
            lambda client: client.set_registered_model_tag(self._name, key, value),
        )


def _explain_freed(version: Version) -> BeholderError | None:
    """Return what to say of bundles that were let go; None where they should be there."""
    if FREED_TAG not in version.tags:
        return None
    return ConflictError(
        f"version {version.number} was freed by 'beholder gc' on {version.tags[FREED_TAG][:10]}; "
        f"'beholder reproduce {version.number} --keep' learns it again"
    )


def _read_version(found: "ModelVersion") -> Version:
    return Version(
        number=int(found.version),
        digest=found.tags.get(DIGEST_TAG, ""),
        run_id=found.run_id or "",
        location=found.source,
        tags=dict(found.tags),
    )

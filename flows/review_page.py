"""The page for the reviewer of a judged version: gathered, written, and logged with its run."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.batches import IMAGE_FOLDER, batch_folder, read_batches, read_images
from components.errors import ImageError, WorkspaceError
from components.files import hash_file, hash_json, write_bytes
from components.models.bundle import load_bundle
from components.models.predictor import Predictor
from components.pages.thumbnails import draw_thumbnail
from components.params import load_params
from components.paths import Workspace
from components.promotion.comparison import Comparison
from components.promotion.gate import TrialFacts, Verdict
from components.promotion.registry import Version
from components.promotion.review import Policy, name_evidence
from components.promotion.store import Store
from components.review.changes import Changes, Inputs, find_changes
from components.review.content import Review
from components.review.page import find_evidence, render_page
from components.review.people import People, find_test_rows, meet_people
from components.settings import load_settings
from flows.candidate import JUDGED_BESIDE_TAG, TRIAL_REPORT_TAG
from flows.provenance import RunRecord, read_run
from flows.releases import COMPARISON_TAG, JUDGEMENT_TAG, fetch_bundles, open_registry
from flows.reviewing import read_evidence
from flows.tracking import flatten, store_address

FOLDER = "review"
PAGE_TAG = "beholder.review_page"

_EVALUATION_TAG = "beholder.evaluation"
_LINEAGE_WORDS = {
    "lineage_id": "Lineage",
    "data_version": "Data",
    "params": "Parameters",
    "packages": "Packages",
    "git_commit": "Git commit",
    "evaluation": "Evaluation bundle",
    "served": "Served bundle",
    "pipeline_lock": "dvc.lock",
    "bundles": "Both bundles",
    "run": "MLflow run",
}

log = logging.getLogger(__name__)


def page_path(workspace: Workspace, number: int) -> Path:
    """Return where the page of a version lies, if it does."""
    return workspace.state / "reviews" / str(number) / "review.html"


def make_review_page(workspace: Workspace, version: Version) -> Path:
    """Return the page of a judged version, logged with its run as `review/review.html`.

    Safe to repeat: what stands is made anew only where the version was judged anew, or where
    pictures were missing. Raises WorkspaceError for a version that was never judged.
    """
    found = _Evidence.of(workspace, version)
    path = page_path(workspace, version.number)
    record = read_run(_open_store(workspace), version.run_id)
    if not path.is_file() or find_evidence(path.read_text()) != found.digest:
        review = _gather(workspace, version, found, record)
        html = render_page(review, _Pictures(workspace).of)
        write_bytes(path, html.encode())
        log.info("review page written version=%d bytes=%d", version.number, len(html))
    _log_page(path, record)
    return path


def _log_page(path: Path, record: RunRecord) -> None:
    if record.run is None:
        log.warning("review page not logged, its run is gone path=%s", path)
        return
    digest = hash_file(path)
    if record.tags.get(PAGE_TAG) != digest:
        record.run.log_file(path, FOLDER)
        # Last: a kill before it only means to log the page once more.
        record.run.set_tags({PAGE_TAG: digest})


@dataclass(frozen=True)
class _Evidence:
    """What a version was judged by, the version that it was judged beside, and the hash of all."""

    comparison: Comparison
    verdict: Verdict
    trial: TrialFacts | None
    rival: Version | None
    policy: Policy
    digest: str

    @classmethod
    def of(cls, workspace: Workspace, version: Version) -> "_Evidence":
        tags = version.tags
        if COMPARISON_TAG not in tags or JUDGEMENT_TAG not in tags:
            raise WorkspaceError(
                f"version {version.number} was never judged, so there is nothing to review; "
                "run 'beholder retrain' for one that is"
            )
        comparison = Comparison.from_json(json.loads(tags[COMPARISON_TAG]))
        trial = tags.get(TRIAL_REPORT_TAG)
        rival = _find_rival(workspace, version, comparison)
        names = (COMPARISON_TAG, JUDGEMENT_TAG, TRIAL_REPORT_TAG)
        number = None if rival is None else rival.number
        policy = load_params(workspace.params).review.policy
        return cls(
            comparison,
            Verdict.from_json(json.loads(tags[JUDGEMENT_TAG])),
            None if trial is None else TrialFacts.from_json(json.loads(trial)),
            rival,
            policy,
            hash_json([version.digest, number, policy, *(tags.get(name) for name in names)]),
        )


def _find_rival(workspace: Workspace, version: Version, comparison: Comparison) -> Version | None:
    """Return the version whose model a version was compared with; None if it is there no more."""
    if comparison.champion is None:
        return None
    same = {
        one.number: one
        for one in open_registry(workspace).versions()
        if one.tags.get(_EVALUATION_TAG) == comparison.champion.digest
    }
    # Two versions may share that model: it is the one that the verdict names.
    told = version.tags.get(JUDGED_BESIDE_TAG, "").partition(" ")[0]
    if told.isdigit() and int(told) in same:
        return same[int(told)]
    others = [number for number in same if number != version.number]
    return same[max(others)] if others else None


def _gather(workspace: Workspace, version: Version, found: _Evidence, record: RunRecord) -> Review:
    inputs = record.inputs
    return Review(
        model=load_settings().model_name,
        version=version.number,
        rival=None if found.rival is None else found.rival.number,
        verdict=found.verdict,
        comparison=found.comparison,
        trial=found.trial,
        inputs=inputs,
        changes=_find_changes(workspace, found, inputs),
        people=_meet(workspace, version, found.rival, inputs),
        costs=record.costs,
        lineage=_describe_lineage(version, record),
        evidence=found.digest,
        policy=found.policy,
        seen=name_evidence(**read_evidence(version)),
    )


def _find_changes(workspace: Workspace, found: _Evidence, inputs: Inputs) -> Changes | None:
    if found.rival is None:
        return None
    before = read_run(_open_store(workspace), found.rival.run_id).inputs
    told = found.rival.tags.get(JUDGEMENT_TAG)
    policy = {} if told is None else Verdict.from_json(json.loads(told)).policy
    return find_changes(_judged_by(before, policy), _judged_by(inputs, found.verdict.policy))


def _judged_by(inputs: Inputs, policy: Mapping[str, Any]) -> Inputs:
    """Return inputs with the policy that the gate did judge by, which may be later than the run."""
    if inputs.params is None or not policy:
        return inputs
    kept = {name: value for name, value in inputs.params.items() if not name.startswith("gate.")}
    return replace(inputs, params={**kept, **flatten({"gate": policy})})


def _meet(workspace: Workspace, version: Version, rival: Version | None, inputs: Inputs) -> People:
    bundles = fetch_bundles(workspace, version)
    evaluation = load_bundle(bundles.evaluation)
    champion = None if rival is None else fetch_bundles(workspace, rival).evaluation
    relevant_from = (inputs.params or {}).get("evaluate.relevant_from")
    return meet_people(
        Predictor(evaluation),
        None if champion is None else Predictor(load_bundle(champion)),
        find_test_rows(evaluation, load_bundle(bundles.served)),
        relevant_from=None if relevant_from is None else float(relevant_from),
    )


def _describe_lineage(version: Version, record: RunRecord) -> dict[str, str]:
    kept = {**record.lineage, "run": version.run_id, "bundles": version.digest}
    return {word: str(kept[key]) for key, word in _LINEAGE_WORDS.items() if kept.get(key)}


class _Pictures:
    """The pictures of the batches that are learnt from now, by the images' hashes."""

    def __init__(self, workspace: Workspace) -> None:
        self._max_megapixels = load_params(workspace.params).validation.max_image_megapixels
        self._files: dict[str, Path] = {}
        for batch in read_batches(workspace):
            folder = batch_folder(workspace, batch.id)
            images = read_images(folder)
            for sha256, file in zip(images["sha256"], images["file"], strict=True):
                self._files[sha256] = folder / IMAGE_FOLDER / file

    def of(self, sha256: str) -> str | None:
        """Return an image's thumbnail; None where it is not here, or no longer what it was."""
        path = self._files.get(sha256)
        if path is None or not path.is_file():
            return None
        try:
            return draw_thumbnail(path.read_bytes(), max_megapixels=self._max_megapixels)
        except ImageError as error:
            log.warning("picture cannot be shown sha256=%s why=%s", sha256, error)
            return None


def _open_store(workspace: Workspace) -> Store:
    return Store(store_address(workspace, load_settings()))

"""`beholder trace`: from an id to the version that it names, and from there along the chain.

Nothing is changed, and what is gone is told as missing: a trace is asked for when things are odd.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from components.answers.answered import Answered
from components.batches import Batch, data_version
from components.errors import CorruptFileError, ParameterError
from components.files import parse_yaml, read_parquet
from components.packaging.release import verify_release
from components.promotion.artifacts import SERVED
from components.promotion.registry import CHAMPION, Version
from components.promotion.version import LINEAGE_ID_TAG, TRIAL_TAG
from components.settings import load_settings
from flows.answers import open_answers
from flows.archive import DATA_VERSION_TAG, Archive, bento_tag
from flows.data_versions import read_batch_md5s, read_outputs
from flows.endpoint import answering_version
from flows.ledger_display import select_entries
from flows.releases import COMPARISON_TAG, JUDGEMENT_TAG, bento_folder
from flows.run_record import (
    BATCH_MD5S,
    CODE,
    CODE_COMMIT_TAG,
    DEVICE_TAG,
    PIPELINE_LOCK,
    SUMMARY,
    RunFacts,
)
from flows.services import Services
from flows.trace_chain import (
    AnswerTrace,
    BatchLink,
    BentoLink,
    CodeLink,
    DataLink,
    Descent,
    ItemLink,
    Learner,
    Missing,
    NowLink,
    RunLink,
    Trace,
    VerdictLink,
    tell_time,
)
from flows.trace_names import Question, choose_name, explain_unknown, read_question
from flows.tracing_items import find_item

_ALL = 1 << 40
_LEAST_OF_HASH = 8
_HEX = set("0123456789abcdef")

log = logging.getLogger(__name__)


def trace(archive: Archive, given: str) -> Trace | Descent | AnswerTrace:
    """Return the chain of the version that an id names, or who learnt from the data it names.

    The id of a request leads to its answer, and from there on. Raises ParameterError if nothing
    is called so, or if it is the beginning of several.
    """
    question = read_question(given)
    if question.kind == "request":
        return require_answer(archive, given, question.text)
    name = choose_name(question, archive.names)
    if name is not None and name.version is not None:
        return trace_version(archive, archive.version(name.version), given, name.describe())
    if name is not None:
        return _trace_data(archive, given, name.kind, name.text)
    if question.kind is None and (answer := trace_answer(archive, given, question.text)):
        return answer
    content = _trace_content(archive, given, question)
    if content is None:
        raise explain_unknown(question, archive.names)
    return content


def find_version(archive: Archive, given: str) -> Version:
    """Return the one version that an id names; raise ParameterError if it names none."""
    question = read_question(given)
    name = choose_name(question, archive.names)
    if name is None:
        raise explain_unknown(question, archive.names)
    if name.version is None:
        raise ParameterError(
            f"{given!r} is {name.describe()}, which is no version; 'beholder trace {name.text}' "
            "shows those that learnt from it"
        )
    return archive.version(name.version)


# One version


def trace_version(archive: Archive, version: Version, asked: str, found_by: str) -> Trace:
    """Return everything that a version hangs together with."""
    run, tags = archive.run(version), version.tags
    lineage = tags.get(LINEAGE_ID_TAG)
    gone = Missing(f"MLflow run {version.run_id or '(none)'} is gone")
    return Trace(
        asked=asked,
        found_by=found_by,
        version=version.number,
        lineage_id=lineage,
        digest=version.digest,
        aliases=_aliases(archive, version),
        same_lineage=tuple(
            other.number
            for other in archive.versions
            if lineage
            and other.tags.get(LINEAGE_ID_TAG) == lineage
            and other.number != version.number
        ),
        artifacts=version.location
        if archive.holds_artifacts(version)
        else Missing(f"its bundles are not complete at {version.location}"),
        data=_link_data(archive, version),
        validation=_link_file(archive, version, SUMMARY),
        run=gone if run is None else _link_run(run),
        parameters=gone if run is None else dict(sorted(run.params.items())),
        code=_link_code(archive, version, run),
        metrics=gone if run is None else dict(sorted(run.metrics.items())),
        verdict=_link_verdict(version),
        ledger=tuple(select_entries(archive.ledger, version.number, _ALL)),
        bento=_link_bento(archive, version),
        now=find_answering(archive),
    )


def _link_data(archive: Archive, version: Version) -> DataLink:
    batches = archive.batches(version)
    lock = archive.files(version).find(PIPELINE_LOCK) if version.run_id else None
    try:
        outputs = None if lock is None else read_outputs(lock)
    except CorruptFileError as error:
        log.warning("dvc.lock broken version=%d why=%s", version.number, error)
        outputs = None
    told = version.tags.get(DATA_VERSION_TAG)
    return DataLink(
        version=told or ("unknown" if batches is None else data_version(batches)),
        batches=_lost("the list of its batches")
        if batches is None
        else tuple(_link_batch(archive, batch, find_md5s(archive, version)) for batch in batches),
        outputs=_lost("its dvc.lock") if outputs is None else outputs,
    )


def _link_batch(archive: Archive, batch: Batch, md5s: Mapping[str, str]) -> BatchLink:
    counts = (batch.ratings, batch.items, batch.images)
    listed = any(other.sha256 == batch.sha256 for other in archive.listed)
    return BatchLink(batch.id, batch.sha256, *counts, md5s.get(batch.id), listed)


def find_md5s(archive: Archive, version: Version) -> dict[str, str]:
    """Return DVC's md5 of batches by id: as the run has it, else as it stands here."""
    run, logged = archive.run(version), None
    if run is not None:
        logged = archive.files(version).read_json(BATCH_MD5S)
    named = {} if run is None else run.datasets
    images = {
        name.removeprefix("images "): md5
        for name, md5 in named.items()
        if name.startswith("images ")
    }
    return {**read_batch_md5s(archive.workspace), **images, **(logged or {})}


def _link_file(archive: Archive, version: Version, path: str) -> Mapping[str, Any] | Missing:
    found = archive.files(version).read_json(path) if version.run_id else None
    return dict(found) if isinstance(found, dict) else _lost(path)


def _link_run(run: RunFacts) -> RunLink:
    return RunLink(
        run_id=run.run_id,
        name=run.name,
        status=run.status,
        is_deleted=run.is_deleted,
        started=tell_time(run.started / 1000),
        seconds=None if run.ended is None else (run.ended - run.started) / 1000,
        reason=run.tags.get("beholder.reason", ""),
        workspace=run.tags.get("beholder.workspace", ""),
        device=run.tags.get(DEVICE_TAG),
    )


def _link_code(archive: Archive, version: Version, run: RunFacts | None) -> CodeLink:
    path = archive.files(version).find(CODE) if version.run_id else None
    try:
        steps = None if path is None else parse_yaml(path.read_text())
    except yaml.YAMLError:
        steps = None
    tags = {} if run is None else run.tags
    return CodeLink(
        steps=steps if isinstance(steps, dict) else _lost(CODE),
        commit=tags.get(CODE_COMMIT_TAG),
        workspace_commit=version.tags.get("mlflow.source.git.commit"),
        packages=version.tags.get("beholder.packages", "unknown"),
    )


def _link_verdict(version: Version) -> VerdictLink | Missing:
    verdict = version.verdict
    if verdict is None:
        return Missing("the gate has not judged it")
    return VerdictLink(
        verdict.decision,
        verdict.reasons,
        trial=version.tags.get(TRIAL_TAG),
        judgement=_read_tag(version, JUDGEMENT_TAG),
        comparison=_read_tag(version, COMPARISON_TAG),
    )


def _link_bento(archive: Archive, version: Version) -> BentoLink | Missing:
    manifest, folder = archive.manifest(version), bento_folder(archive.workspace, version)
    if manifest is None:
        return Missing("not on this disk; serving or trying the version packages it again")
    try:
        verify_release(folder)
        is_whole = True
    except CorruptFileError as error:
        log.warning("bento damaged version=%d why=%s", version.number, error)
        is_whole = False
    return BentoLink(bento_tag(manifest), manifest.content, str(folder), is_whole)


def find_answering(archive: Archive) -> NowLink:
    """Return what answers at the workspace's endpoint now."""
    states = Services(archive.workspace, load_settings().host).states()
    urls = [state.url for state in states if state.name == "endpoint" and state.healthy]
    return NowLink(urls[0], answering_version(urls[0])) if urls else NowLink(None, None)


def _read_tag(version: Version, tag: str) -> Mapping[str, Any] | None:
    try:
        return dict(json.loads(version.tags[tag]))
    except (KeyError, ValueError, TypeError):
        return None


def _aliases(archive: Archive, version: Version) -> tuple[str, ...]:
    return tuple(name for name, number in archive.aliases.items() if number == version.number)


def _lost(what: str) -> Missing:
    return Missing(f"{what} is not among the artifacts of its MLflow run any more")


# From an answer to its version


def require_answer(archive: Archive, asked: str, request_id: str) -> AnswerTrace:
    """Return what was answered to a request; raise ParameterError if nobody knows."""
    found = trace_answer(archive, asked, request_id)
    if found is None:
        days = load_settings().answers_days
        raise ParameterError(
            f"no answer to a request {request_id!r} is kept; answers are kept for {days:g} days "
            "unless BEHOLDER_ANSWERS_URL is 'off', from a second after they were given; its "
            "X-Lineage-Id leads on without it"
        )
    return found


def trace_answer(archive: Archive, asked: str, request_id: str) -> AnswerTrace | None:
    """Return what was answered to requests of an id, and the last one's chain; None if nothing."""
    with open_answers(archive.workspace) as answers:
        found = [] if answers is None else answers.find(request_id)
    if not found:
        return None
    chain = _trace_lineage(archive, asked, found[-1])
    return AnswerTrace(asked, request_id, tuple(found), chain)


def _trace_lineage(archive: Archive, asked: str, answered: Answered) -> Trace | Missing:
    fitting = [v for v in archive.versions if v.tags.get(LINEAGE_ID_TAG) == answered.lineage_id]
    if not fitting:
        return Missing(f"no version of lineage {answered.lineage_id} is registered here any more")
    same = [version for version in fitting if str(version.number) == answered.version]
    return trace_version(archive, (same or fitting)[0], asked, f"lineage {answered.lineage_id}")


# From data to versions


def _trace_data(archive: Archive, asked: str, kind: str, text: str) -> Descent:
    """Return who learnt from a batch, or from a whole data version."""
    learnt, unknown = {}, {}
    for version in archive.versions:
        batches = archive.batches(version)
        if kind == "data":
            learnt[version.number] = version.tags.get(DATA_VERSION_TAG) == text
        elif batches is None:
            unknown[version.number] = _lost("the list of its batches").missing
        else:
            learnt[version.number] = any(batch.id == text for batch in batches)
    batch = None if kind == "data" else _find_batch(archive, text)
    return Descent(
        *(asked, kind, text, ""),
        batch=batch,
        learners=_name_learners(archive, learnt),
        unknown=unknown,
    )


def _find_batch(archive: Archive, batch_id: str) -> BatchLink | None:
    known: list[tuple[Version | None, Batch]] = [(None, batch) for batch in archive.listed]
    known += [(version, b) for version in archive.versions for b in archive.batches(version) or ()]
    for version, batch in known:
        if batch.id == batch_id:
            here = read_batch_md5s(archive.workspace)
            md5s = here if version is None else find_md5s(archive, version)
            return _link_batch(archive, batch, md5s)
    return None


def _trace_content(archive: Archive, asked: str, question: Question) -> Descent | None:
    """Return who learnt from an image, an item or a user, by the bundles that they serve from."""
    text = question.text
    wants_image = set(text.lower()) <= _HEX and len(text) >= _LEAST_OF_HASH
    kinds = [question.kind] if question.kind else (["image"] if wants_image else []) + ["item"]
    for kind in kinds:
        if kind == "user":
            return _search(archive, asked, kind, text, "users.parquet")
        if kind in ("image", "item"):
            found = _search(archive, asked, kind, text, "items.parquet")
            if kind == "item":
                found = replace(found, item=_find_item(archive, text))
            if found.learners or found.item is not None or question.kind:
                return found
    return None


def _search(archive: Archive, asked: str, kind: str, text: str, table: str) -> Descent:
    learnt, unknown, meant = {}, {}, set()
    for version in archive.versions:
        path = archive.artifact(version, f"{SERVED}/{table}")
        if path is None:
            unknown[version.number] = f"its bundle is gone from {version.location}"
            continue
        found = _find_in_table(path, kind, text)
        learnt[version.number] = bool(found)
        meant |= found
    if len(meant) > 1:
        raise ParameterError(f"{text!r} begins {len(meant):,} images' hashes; give more of it")
    says = "" if not learnt or any(learnt.values()) else "no version learnt from it"
    return Descent(
        *(asked, kind, next(iter(meant), text), says),
        batch=None,
        learners=_name_learners(archive, learnt),
        unknown=unknown,
    )


def _find_item(archive: Archive, item_id: str) -> ItemLink | None:
    number = archive.aliases.get(CHAMPION)
    champion = None if number is None else archive.version(number)
    return find_item(archive.workspace, champion, item_id)


def _find_in_table(path: Path, kind: str, text: str) -> set[str]:
    column = {"user": "user_id", "item": "item_id", "image": "images"}[kind]
    cells = read_parquet(path, [column])[column]
    if kind != "image":
        return {text} if bool((cells == text).any()) else set()
    wanted = text.lower()
    return {sha for images in cells for sha in images if str(sha).startswith(wanted)}


def _name_learners(archive: Archive, learnt: Mapping[int, bool]) -> tuple[Learner, ...]:
    answering = find_answering(archive).version
    return tuple(
        _name_learner(archive, version, answering)
        for version in archive.versions
        if learnt.get(version.number)
    )


def _name_learner(archive: Archive, version: Version, answering: str | None) -> Learner:
    registered = archive.ledger.last("registered", version=version.number)
    return Learner(
        version=version.number,
        lineage_id=version.tags.get(LINEAGE_ID_TAG),
        data_version=version.tags.get(DATA_VERSION_TAG),
        run_id=version.run_id,
        registered=None if registered is None else registered.time,
        verdict=None if version.verdict is None else version.verdict.decision,
        aliases=_aliases(archive, version),
        answers_now=answering == str(version.number),
    )

"""The step `validate`: judge every batch, set bad rows aside, and let the rest in, or nothing."""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.batches import IMAGE_FOLDER, Batch, batch_folder, read_batches
from components.errors import ValidationError
from components.files import write_bytes, write_folder, write_json, write_parquet
from components.params import Params
from components.paths import Workspace
from components.settings import Settings
from components.validation.image_facts import FactStore, gather_facts
from components.validation.tables import Tables, read_tables

if TYPE_CHECKING:
    from components.validation.review import Review

log = logging.getLogger(__name__)


def validate(workspace: Workspace, params: Params, settings: Settings) -> None:
    """Write data/accepted from all batches, data/quarantine and reports/validation.

    Raises ValidationError if the data as a whole fails, after quarantine and reports are written:
    then there is no data/accepted. Raises CorruptFileError if a batch is not what was ingested.
    """
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # as it is imported, too
    from components.validation.report import summarize, tell_failures
    from components.validation.review import review

    # What an earlier run accepted must not outlive a run that fails, however it fails.
    shutil.rmtree(workspace.accepted, ignore_errors=True)
    batches = read_batches(workspace)
    tables = read_tables(workspace, batches)
    tables.images["path"] = _locate(workspace, batches, tables)
    store = FactStore(workspace.cache / "images", params.validation.max_image_megapixels)
    facts = gather_facts(store, _list_files(workspace, batches, tables))
    for batch in batches:
        write_bytes(_verified(workspace, batch), batch.sha256.encode())
    outcome = review(tables, facts, batches, params)
    failures = tell_failures(outcome, params)
    _write_tables(workspace.quarantine, outcome.quarantine)
    _write_reports(workspace, outcome, failures, summarize(outcome, failures))
    if failures:
        hint = "" if batches else " (no batch is listed: run 'beholder ingest' first)"
        raise ValidationError(
            f"{'; '.join(failures)}{hint}; details: "
            f"{workspace.validation_report.relative_to(workspace.root)}/docs/index.html"
        )
    _write_tables(workspace.accepted, outcome.accepted)


def _locate(workspace: Workspace, batches: tuple[Batch, ...], tables: Tables) -> list[str]:
    """Return each image's path from the workspace's root."""
    folders = [
        (batch_folder(workspace, batch.id) / IMAGE_FOLDER).relative_to(workspace.root).as_posix()
        for batch in batches
    ]
    rows = tables.images[["batch", "file"]].itertuples(index=False)
    return [f"{folders[ordinal]}/{file}" for ordinal, file in rows]


def _list_files(
    workspace: Workspace, batches: tuple[Batch, ...], tables: Tables
) -> list[tuple[str, Path, bool]]:
    """Return (hash, file, whether an earlier run has hashed it) of every image."""
    verified = []
    for batch in batches:
        mark = _verified(workspace, batch)
        verified.append(mark.is_file() and mark.read_bytes() == batch.sha256.encode())
    rows = tables.images[["sha256", "path", "batch"]].itertuples(index=False)
    return [(sha256, workspace.root / path, verified[ordinal]) for sha256, path, ordinal in rows]


def _verified(workspace: Workspace, batch: Batch) -> Path:
    return workspace.cache / "verified" / batch.id


def _write_tables(target: Path, tables: Tables) -> None:
    with write_folder(target) as folder:
        write_parquet(folder / "ratings.parquet", tables.ratings)
        write_parquet(folder / "items.parquet", tables.items)
        write_parquet(folder / "images.parquet", tables.images)


def _write_reports(
    workspace: Workspace, outcome: "Review", failures: list[str], summary: dict[str, Any]
) -> None:
    from components.validation.data_docs import write_docs

    judgements = outcome.judgements
    for table in ("ratings", "items", "images"):
        log.info(
            "judged table=%s rows=%s refused=%s accepted=%s",
            table,
            judgements[table].rows,
            len(judgements[table].reasons),
            judgements[f"accepted_{table}"].rows,
        )
    report = workspace.validation_report
    write_json(report / "results.json", {name: j.results for name, j in judgements.items()})
    with write_folder(report / "docs") as folder:
        pages = {name: (j.is_clean, j.rows, j.page) for name, j in judgements.items()}
        write_docs(folder, pages, failures)
    write_json(report / "summary.json", summary)

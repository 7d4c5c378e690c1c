"""How things are as a retraining is asked for: what is new since a version was learnt."""

import time
from dataclasses import dataclass

from components.batches import Batch, data_version, read_batches
from components.code import refresh_code
from components.files import hash_json
from components.params import WATCHING, Params
from components.paths import Workspace
from components.promotion.registry import Version
from components.triggering.book import Book
from components.triggering.policy import Situation
from flows.feedback import count_waiting
from flows.lineage import digest_learning_params, read_code
from flows.releases import open_registry


@dataclass(frozen=True)
class News:
    """The batches that a version has not learnt from; `is_other` if what it learnt from changed."""

    batches: tuple[Batch, ...]
    is_other: bool


def look_at(workspace: Workspace, params: Params, book: Book) -> Situation:
    """Return the situation of a workspace now."""
    refresh_code(workspace)
    batches = read_batches(workspace)
    versions = open_registry(workspace).versions()
    latest = versions[0] if versions else None
    news, waiting = find_news(batches, latest), count_waiting(workspace)
    return Situation(
        now=time.time(),
        data_version=data_version(batches),
        params=digest_params(params),
        has_data=bool(batches) or waiting > 0,
        is_changed=news.is_other or has_other_recipe(workspace, params, latest),
        new_ratings=sum(batch.ratings for batch in news.batches),
        new_items=sum(batch.items for batch in news.batches),
        waiting_ratings=waiting,
        past=book.past(),
    )


def digest_params(params: Params) -> str:
    """Return the hash of params.yaml, but for when to retrain: that is no reason to retrain."""
    return hash_json(params.model_dump(mode="json", exclude=set(WATCHING)))


def find_news(batches: tuple[Batch, ...], latest: Version | None) -> News:
    """Return what came in since the latest version; everything where there is none."""
    if latest is None:
        return News(batches, is_other=True)
    learnt = latest.tags.get("beholder.data_version", "")
    for count in range(len(batches), -1, -1):
        if data_version(batches[:count]) == learnt:
            return News(batches[count:], is_other=False)
    return News(batches, is_other=True)  # something was withdrawn or corrected


def has_other_recipe(workspace: Workspace, params: Params, latest: Version | None) -> bool:
    """Say whether parameters or code are other ones than a version was learnt with."""
    if latest is None:
        return True
    here = {
        "beholder.params": digest_learning_params(params),
        "beholder.code": hash_json(read_code(workspace)),
    }
    return any(latest.tags.get(name) != digest for name, digest in here.items())

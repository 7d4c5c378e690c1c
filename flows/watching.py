"""What asks for a retraining by itself: data that changed, and ratings that came in as feedback."""

from components.batches import data_version, read_batches
from components.locking import is_held
from components.params import load_params
from components.paths import Workspace
from flows.feedback import count_waiting
from flows.releases import open_registry
from flows.situation import find_news
from flows.telling import tell

_SHORT = 12


def watch_data(workspace: Workspace) -> bool:
    """Tell, once, that the data is another version than the one that was learnt last.

    Whoever changed it: `beholder ingest`, `withdraw`, or `git` and `dvc` used directly. Not while a
    training is at work: it may be learning just that, feedback of its own making included.
    """
    if is_held(workspace.work_lock):
        return False
    batches = read_batches(workspace)
    if not batches:
        return False
    versions = open_registry(workspace).versions()
    latest = versions[0] if versions else None
    learnt = "" if latest is None else latest.tags.get("beholder.data_version", "")
    now = data_version(batches)
    if now == learnt:
        return False
    news = find_news(batches, latest)
    evidence = {
        "from": learnt[:_SHORT],
        "to": now[:_SHORT],
        "batches": len(news.batches),
        "ratings": sum(batch.ratings for batch in news.batches),
        "items": sum(batch.items for batch in news.batches),
        "corrected": news.is_other and latest is not None,
    }
    reason = f"data version {now[:_SHORT]}, {_describe(evidence)}"
    return tell(workspace, "data", reason, evidence, key=f"data {learnt[:_SHORT]} {now}")


def watch_feedback(workspace: Workspace) -> bool:
    """Tell that as many ratings wait in the feedback log as the policy asks for, and twice, thrice.

    Counted from the last export on.
    """
    waiting, enough = count_waiting(workspace), load_params(workspace.params).triggers.new_ratings
    if waiting < enough:
        return False
    reason = f"{waiting:,} new ratings came in as feedback"
    since = data_version(read_batches(workspace))[:_SHORT]  # every export makes another one
    key = f"feedback {since} {waiting // enough}"
    return tell(workspace, "feedback", reason, {"ratings": waiting, "enough": enough}, key=key)


def _describe(evidence: dict[str, object]) -> str:
    if evidence["corrected"]:
        return "of which older data changed"
    return f"{evidence['ratings']:,} new ratings and {evidence['items']:,} new items"

"""The review of all tables, one after the other: images, then items, then ratings, then the whole.

Each depends on the one before: an item counts the images that passed, a rating asks for an item
that was accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.batches import Batch
from components.params import Params
from components.validation import suites
from components.validation.columns import describe_images, describe_items, describe_ratings
from components.validation.drift import JUDGED, compare_batches
from components.validation.judge import Judge, Judgement
from components.validation.merging import keep_last_ratings, mark_first, merge_items
from components.validation.tables import Tables

_RATING_COLUMNS = ["user_id", "item_id", "rating", "timestamp", "batch"]
_IMAGE_COLUMNS = [
    *("sha256", "path", "width", "height", "mode"),
    *("brightness", "contrast", "thumbnail", "batch"),
]


@dataclass(frozen=True)
class Review:
    """What was accepted and what was refused, with all judgements by suite.

    `quarantine` holds the refused rows as they came, plus `reason`; `superseded` counts ratings
    that a later one of the same pair replaced; `drift` has one row a batch and feature, and
    `held`, whether it counts.
    """

    accepted: Tables
    quarantine: Tables
    superseded: int
    drift: pd.DataFrame
    judgements: dict[str, Judgement]


def review(tables: Tables, facts: pd.DataFrame, batches: Sequence[Batch], params: Params) -> Review:
    """Judge the rows of all batches by the suites; `tables.images` has the column path too.

    `facts` holds one row for each distinct sha256 of the images. Feedback is not held to be alike
    to what was before it: what a recommender shows is rated otherwise than what people found.
    """
    judge = Judge()
    images = describe_images(
        tables.images, facts, merge_items(tables.items[mark_first(tables.items)])
    )
    of_images = judge.judge("images", images, suites.demand_of_images(params), ["sha256"])
    is_usable = _mark_kept(of_images)
    usable = set(images["sha256"][is_usable])

    items = describe_items(tables.items, set(images["sha256"]), usable)
    of_items = judge.judge("items", items, suites.demand_of_items(params), ["item_id", "batch"])
    accepted_items = merge_items(tables.items[_mark_kept(of_items)])
    accepted_items["images"] = [
        [image for image in shown if image in usable] for shown in accepted_items["images"]
    ]

    ratings = describe_ratings(tables.ratings, set(accepted_items["item_id"]))
    of_ratings = judge.judge(
        "ratings", ratings, suites.demand_of_ratings(params), ["user_id", "item_id", "batch"]
    )
    kept_ratings = tables.ratings[_mark_kept(of_ratings)]
    last_ratings = keep_last_ratings(kept_ratings)[_RATING_COLUMNS]
    accepted_images = _accept_images(tables.images, images, accepted_items)

    counts = accepted_items["item_id"].map(last_ratings["item_id"].value_counts()).fillna(0)
    judgements = [
        of_ratings,
        of_items,
        of_images,
        judge.judge(
            "accepted_ratings",
            last_ratings,
            suites.demand_of_accepted_ratings(params),
            ["user_id", "item_id"],
        ),
        judge.judge(
            "accepted_items",
            accepted_items[["item_id"]].assign(ratings=counts),
            suites.demand_of_accepted_items(params),
            ["item_id"],
        ),
        judge.judge(
            "accepted_images",
            accepted_images,
            suites.demand_of_accepted_images(params),
            ["sha256"],
        ),
        judge.judge(
            "budget",
            _share_refused([of_ratings, of_items, of_images], params),
            suites.demand_of_shares(),
            ["table", "rows", "refused"],
        ),
    ]
    drift = compare_batches(
        kept_ratings, accepted_images, len(batches), params.validation.drift.min_rows
    )
    drift["batch"] = [batches[ordinal].id for ordinal in drift["batch"]]
    feedback = {batch.id for batch in batches if batch.origin == "feedback"}
    exempt = drift["batch"].isin(feedback.union(params.validation.drift.accepted))
    drift["held"] = drift["feature"].isin(JUDGED) & ~exempt
    held = drift[drift["held"]].drop(columns="held").reset_index(drop=True)
    judgements.append(
        judge.judge("drift", held, suites.demand_of_drift(params), ["batch", "feature"])
    )
    return Review(
        accepted=Tables(last_ratings, accepted_items, accepted_images),
        quarantine=Tables(
            _refuse(tables.ratings, of_ratings),
            _refuse(tables.items, of_items),
            _refuse(tables.images.drop(columns="path"), of_images, images["problem"]),
        ),
        superseded=len(kept_ratings) - len(last_ratings),
        drift=drift,
        judgements={judgement.suite: judgement for judgement in judgements},
    )


def _mark_kept(judgement: Judgement) -> npt.NDArray[np.bool_]:
    kept = np.ones(judgement.rows, np.bool_)
    kept[list(judgement.reasons)] = False
    return kept


def _accept_images(
    rows: pd.DataFrame, described: pd.DataFrame, items: pd.DataFrame
) -> pd.DataFrame:
    """Return the usable images that an accepted item shows, each as it came first."""
    facts = described.drop(columns="batch").assign(path=rows["path"], batch=rows["batch"])
    shown = facts["sha256"].isin(items["images"].explode())
    first = facts[shown].drop_duplicates("sha256").sort_values("sha256", ignore_index=True)
    return first[_IMAGE_COLUMNS].astype({"width": "int64", "height": "int64"})


def _share_refused(judgements: list[Judgement], params: Params) -> pd.DataFrame:
    rows = []
    for judgement in judgements:
        refused = len(judgement.reasons)
        budget = getattr(params.validation.budget, judgement.suite)
        share = refused / judgement.rows if judgement.rows else 0.0
        rows.append((judgement.suite, judgement.rows, refused, share, budget))
    return pd.DataFrame(rows, columns=["table", "rows", "refused", "share", "budget"])


def _refuse(
    rows: pd.DataFrame, judgement: Judgement, details: "pd.Series[str] | None" = None
) -> pd.DataFrame:
    places = sorted(judgement.reasons)
    reasons = ["; ".join(judgement.reasons[place]) for place in places]
    if details is not None:
        told = [details.iloc[place] for place in places]
        reasons = [
            f"{reason} ({detail})" if isinstance(detail, str) else reason
            for reason, detail in zip(reasons, told, strict=True)
        ]
    return rows.iloc[places].assign(reason=pd.array(reasons, dtype="string"))

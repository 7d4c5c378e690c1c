"""The leakage audit before anything is measured: of the split's files, and of the models."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from components.files import read_parquet, write_json
from components.leakage import Audit, Check, audit_split, find_pairs, name_pairs
from components.models.bundle import Bundle
from components.params import Split
from components.paths import Workspace


def audit_evaluation(
    workspace: Workspace, split: Split, test: pd.DataFrame, bundles: Iterable[Bundle]
) -> Audit:
    """Audit what is about to be measured, and write reports/evaluation/audit.json.

    Raises DataError, when that file is written, if anything leaks.
    """
    train = read_parquet(workspace.split / "train.parquet")
    items = read_parquet(workspace.accepted / "items.parquet", ["item_id", "images"])
    images = read_parquet(workspace.accepted / "images.parquet", ["sha256", "thumbnail"])
    of_split = audit_split(train, test, items, images, split)
    audit = Audit(split.strategy, (*of_split.checks, check_models(bundles, train)))
    write_json(workspace.evaluation_report / "audit.json", audit.to_json())
    audit.refuse_leaks()
    return audit


def check_models(bundles: Iterable[Bundle], train: pd.DataFrame) -> Check:
    """Check that every rating that a bundle remembers is a train row, so that none is a test row.

    A bundle answers from its ratings, and was learnt from them.
    """
    learnt = pd.concat([_list_pairs(bundle) for bundle in bundles], ignore_index=True)
    strange = learnt[~find_pairs(learnt, train)]
    examples = tuple(
        f"{family}: {pair}"
        for family, pair in zip(strange["family"], name_pairs(strange), strict=False)
    )
    return Check("models", "test", len(learnt), len(strange), 0, examples)


def _list_pairs(bundle: Bundle) -> pd.DataFrame:
    users, counts = bundle.users, np.diff(bundle.users.offsets)
    return pd.DataFrame(
        {
            "family": bundle.family,
            "user_id": np.repeat(np.array(users.user_ids, dtype=object), counts),
            "item_id": bundle.catalogue.ids(users.items_N),
        }
    )

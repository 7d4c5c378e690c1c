"""The outcome of a review in numbers and in sentences."""

from collections import Counter
from typing import Any

import pandas as pd

from components.params import Params
from components.validation.judge import Judgement
from components.validation.review import Review

TABLES = ("ratings", "items", "images")


def tell_failures(outcome: Review, params: Params) -> list[str]:
    """Return a sentence for each failure that nothing may be learnt after; none if all is well."""
    sentences = []
    for suite, judgement in outcome.judgements.items():
        for reason, found in judgement.failures:
            sentences.append(f"{suite.replace('_', ' ')}: {reason} (found {found})")
        if suite.startswith("accepted") and judgement.reasons:
            reason = next(iter(judgement.reasons.values()))[0]
            sentences.append(f"{suite.replace('_', ' ')}: {reason} ({len(judgement.reasons)} rows)")
    refused_tables = sorted(outcome.judgements["budget"].reasons)
    sentences.extend(_tell_budget(TABLES[place], outcome, params) for place in refused_tables)
    held = outcome.drift[outcome.drift["held"]].reset_index(drop=True)
    by_batch: dict[str, list[str]] = {}
    for row in sorted(outcome.judgements["drift"].reasons):
        batch, feature, value = held.loc[row, ["batch", "feature", "psi"]]
        by_batch.setdefault(str(batch), []).append(f"{feature} by {value:.2f}")
    for batch, features in by_batch.items():
        sentences.append(
            f"drift: batch {batch} differs from everything before it ({', '.join(features)}; "
            f"PSI, at most {params.validation.drift.max_psi:g}); if it is meant to, add it to "
            f"validation.drift.accepted in params.yaml, else 'beholder withdraw {batch}'"
        )
    return sentences


def _tell_budget(table: str, outcome: Review, params: Params) -> str:
    judgement = outcome.judgements[table]
    refused: pd.DataFrame = getattr(outcome.quarantine, table)
    key = {"ratings": ["user_id", "item_id", "rating"], "items": ["item_id"], "images": ["source"]}
    first = refused.iloc[0]
    named = ", ".join(f"{column} {first[column]!r}" for column in key[table])
    reasons = ", ".join(f"{n:,} × {reason}" for reason, n in _count_reasons(judgement).items())
    return (
        f"{table}: {len(refused):,} of {judgement.rows:,} rows are refused, the budget is "
        f"{getattr(params.validation.budget, table):.1%} ({reasons}; first: {named}); see "
        f"data/quarantine/{table}.parquet, then mend what was ingested "
        f"('beholder withdraw BATCH', 'beholder ingest'), or raise validation.budget.{table}"
    )


def _count_reasons(judgement: Judgement) -> dict[str, int]:
    counts = Counter(reason for reasons in judgement.reasons.values() for reason in reasons)
    return dict(sorted(counts.items()))


def summarize(outcome: Review, failures: list[str]) -> dict[str, Any]:
    """Return summary.json: whether it passed, counts by table, reasons, warnings and drift."""
    tables: dict[str, dict[str, Any]] = {}
    for table in TABLES:
        judgement = outcome.judgements[table]
        accepted = outcome.judgements[f"accepted_{table}"]
        tables[table] = {
            "read": judgement.rows,
            "refused": len(judgement.reasons),
            "accepted": accepted.rows,
            "reasons": _count_reasons(judgement),
            "warnings": judgement.warnings | accepted.warnings,
        }
    tables["ratings"]["superseded"] = outcome.superseded
    drift: dict[str, dict[str, float]] = {}
    for batch, feature, value in outcome.drift[["batch", "feature", "psi"]].itertuples(index=False):
        drift.setdefault(batch, {})[feature] = round(value, 6)
    return {"passed": not failures, "failures": failures, **tables, "drift": drift}

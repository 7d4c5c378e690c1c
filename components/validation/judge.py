"""Great Expectations at work: one table against one suite, the rows that fail and the proof."""

from dataclasses import dataclass, field
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.metadata_types import FailureSeverity

from components.validation.data_docs import render_page

EXAMPLES = 5
_ROW = "row"
# What a result says of this very run (times, random ids): the same data must give the same bytes.
_OF_THIS_RUN = frozenset({"batch_id", "id"})


@dataclass(frozen=True)
class Judgement:
    """What a suite says of a table.

    `reasons` names for each refused row (its place, from 0) why; `failures` are (reason, what was
    found) of the table as a whole; `warnings` counts rows by reason; `results` and `page` are the
    proof, as JSON and as a page of Data Docs, the same bytes for the same data.
    """

    suite: str
    rows: int
    reasons: dict[int, list[str]]
    failures: list[tuple[str, str]]
    warnings: dict[str, int]
    results: dict[str, Any] = field(repr=False)
    page: str = field(repr=False)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was refused; warnings do not count."""
        return not self.reasons and not self.failures


class Judge:
    """An in-memory Great Expectations context that judges pandas tables."""

    def __init__(self) -> None:
        # Without a site of its own, which would leave a temporary folder at each run.
        config = DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        )
        self._context = gx.get_context(mode="ephemeral", project_config=config)
        self._source = self._context.data_sources.add_pandas("tables")

    def judge(
        self, suite: str, frame: pd.DataFrame, expectations: list[Any], identity: list[str]
    ) -> Judgement:
        """Judge a table; `identity` are the columns that examples of failing rows are shown by."""
        asset = self._source.add_dataframe_asset(suite)
        definition = gx.ValidationDefinition(
            name=suite,
            data=asset.add_batch_definition_whole_dataframe("all"),
            suite=self._context.suites.add(
                gx.ExpectationSuite(name=suite, expectations=expectations)
            ),
        )
        self._context.validation_definitions.add(definition)
        outcome = definition.run(
            batch_parameters={"dataframe": frame.assign(**{_ROW: range(len(frame))})},
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": [_ROW, *identity],
                "return_unexpected_index_query": False,
            },
        )
        order = {_key(expectation): place for place, expectation in enumerate(expectations)}
        outcome.results.sort(key=lambda result: order[_key(result.expectation_config)])
        return _read_outcome(suite, frame, outcome, render_page(outcome))


def _key(expectation: Any) -> str:
    kind = getattr(expectation, "expectation_type", None) or expectation.type
    return f"{kind} {expectation.meta['reason']}"


def _read_outcome(suite: str, frame: pd.DataFrame, outcome: Any, page: str) -> Judgement:
    reasons: dict[int, list[str]] = {}
    failures: list[tuple[str, str]] = []
    warnings: dict[str, int] = {}
    for result in outcome.results:
        if result.success:
            continue
        reason = result.expectation_config.meta["reason"]
        rows = [int(entry[_ROW]) for entry in result.result.get("unexpected_index_list") or ()]
        if _exception(result) is not None:
            failures.append((reason, _observed(result)))  # what was not judged must not pass
        elif result.expectation_config.severity == FailureSeverity.WARNING:
            warnings[reason] = len(rows)
        elif rows:
            for row in rows:
                if reason not in reasons.setdefault(row, []):
                    reasons[row].append(reason)
        else:
            failures.append((reason, _observed(result)))
    results = {
        "success": not reasons and not failures,
        "rows": len(frame),
        "expectations": [_describe(result) for result in outcome.results],
    }
    return Judgement(suite, len(frame), reasons, failures, warnings, results, page)


def _observed(result: Any) -> str:
    exception = _exception(result)
    if exception is not None:
        return f"could not be judged: {exception}"
    return str(result.result.get("observed_value", "no rows named"))


def _exception(result: Any) -> str | None:
    """Return the message of an expectation that raised; nested by metric in some versions."""
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    return next((str(e["exception_message"]) for e in entries if e["raised_exception"]), None)


def _describe(result: Any) -> dict[str, Any]:
    config = result.expectation_config
    demands = {k: v for k, v in config.kwargs.items() if k not in _OF_THIS_RUN and v is not None}
    found = result.result
    described = {
        "type": config.type,
        "demands": demands,
        "reason": config.meta["reason"],
        "severity": FailureSeverity(config.severity).value,
        "success": bool(result.success),
        "found": _jsonable(found.get("observed_value")),
        "unexpected": int(found.get("unexpected_count", 0)),
        "examples": [
            {name: _jsonable(value) for name, value in entry.items()}
            for entry in (found.get("unexpected_index_list") or ())[:EXAMPLES]
        ],
    }
    exception = _exception(result)
    return described if exception is None else described | {"exception": exception}


def _jsonable(value: Any) -> Any:
    """Return a plain value; numbers that JSON cannot hold become text."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and value not in (float("inf"), float("-inf")) and value == value:
        return value
    return value if isinstance(value, int | str | bool | None) else str(value)

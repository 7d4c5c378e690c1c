import json
import tempfile
from pathlib import Path

import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import pytest

from components.validation.data_docs import write_docs
from components.validation.judge import Judge

FRAME = pd.DataFrame({"name": ["a", "b", None], "value": [1.0, np.inf, 3.0]})


def expectations() -> list[gxe.Expectation]:
    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=5, meta={"reason": "too few"}),
        gxe.ExpectColumnValuesToNotBeNull(column="name", meta={"reason": "no name"}),
        gxe.ExpectColumnValuesToBeBetween(
            column="value", max_value=2, meta={"reason": "too large"}, severity="warning"
        ),
    ]


def test_rows_table_and_warnings_are_told_apart() -> None:
    verdict = Judge().judge("suite", FRAME, expectations(), ["name"])
    assert verdict.failures == [("too few", "3")]
    assert verdict.reasons == {2: ["no name"]}
    assert verdict.warnings == {"too large": 2}
    assert not verdict.is_clean


def test_same_data_give_the_same_proof_without_times_and_random_ids() -> None:
    first, second = (Judge().judge("suite", FRAME, expectations(), ["name"]) for _ in range(2))
    assert first.results == second.results
    assert first.page == second.page
    text = json.dumps(first.results, allow_nan=False)
    assert [e["reason"] for e in first.results["expectations"]] == [
        "too few",
        "no name",
        "too large",
    ]
    assert "inf" in text


def test_expectation_that_cannot_be_computed_does_not_pass() -> None:
    for severity in ("critical", "warning"):
        demand = gxe.ExpectColumnValuesToBeBetween(
            column="absent", max_value=2, meta={"reason": "too large"}, severity=severity
        )
        verdict = Judge().judge("suite", FRAME, [demand], [])
        assert not verdict.is_clean
        assert "could not be judged" in verdict.failures[0][1]


def test_context_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Judge().judge("suite", FRAME, expectations(), [])
    assert not list(tmp_path.iterdir())


def test_docs_are_readable_offline(tmp_path: Path) -> None:
    verdict = Judge().judge("the_suite", FRAME, expectations(), ["name"])
    write_docs(tmp_path, {"the_suite": (False, 3, verdict.page)}, ["it fails & says <why>"])
    page = (tmp_path / "the_suite.html").read_text()
    for tag in ("<link", "<img", "src="):
        assert not [part for part in page.split(tag)[1:] if "http" in part.split(">")[0]]
    assert "1970" not in page
    assert 'href="../' not in page
    assert "values must never be null" in page
    index = (tmp_path / "index.html").read_text()
    assert 'href="the_suite.html"' in index
    assert "it fails &amp; says &lt;why&gt;" in index

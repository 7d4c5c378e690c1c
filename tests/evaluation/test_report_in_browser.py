"""The pages that people open, in a real browser: nothing from elsewhere, readable, and whole."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.evaluation.step import evaluate
from components.params import Params
from components.paths import Workspace
from components.settings import Settings
from tests.browser import (
    LOAD_PICTURES,
    READ_CONTRASTS,
    WIDTHS,
    Browser,
    is_wider_than_the_window,
    open_browser,
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(
    learnt: Workspace,
    small: Params,
    settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The report of a model that was learnt, moved to where nothing else lies."""
    evaluate(learnt, small, settings)
    page = tmp_path_factory.mktemp("report") / "report.html"
    page.write_bytes((learnt.evaluation_report / "report.html").read_bytes())
    return page.as_uri()


@pytest.fixture(scope="module")
def data_docs(small: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Data Docs of one suite, which one rating of three does not meet."""
    from components.validation.data_docs import write_docs
    from components.validation.judge import Judge
    from components.validation.suites import demand_of_ratings

    ratings = pd.DataFrame(
        {
            "user_id": ["u1", "u2", "u3"],
            "item_id": ["i1", "i1", "i2"],
            "rating": [4.0, 99.0, 3.5],
            "timestamp": [1_000_000, 1_000_001, 1_000_002],
        }
    )
    found = Judge().judge("ratings", ratings, demand_of_ratings(small), ["user_id", "item_id"])
    folder = tmp_path_factory.mktemp("docs")
    write_docs(folder, {"ratings": (found.is_clean, found.rows, found.page)}, ["too much refused"])
    return folder


@pytest.mark.parametrize("width", WIDTHS)
def test_report_asks_for_nothing_complains_of_nothing_and_fits(
    browser: Browser, report: str, width: int
):
    browser.open(report, width=width)
    assert browser.requests() == []
    assert browser.complaints() == []
    assert not is_wider_than_the_window(browser)


def test_every_picture_of_the_report_is_there_and_has_a_name(browser: Browser, report: str):
    browser.open(report)
    pictures = browser.run(
        "return [...document.images].map((i) => [i.complete && i.naturalWidth > 0, i.alt])"
    )
    assert len(pictures) > 0
    assert [alt for loaded, alt in pictures if not loaded or not alt] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_the_report_is_readable(browser: Browser, report: str, scheme: str):
    browser.open(report, scheme=scheme)
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    is_dark = max(map(int, re.findall(r"\d+", ground))) < 128
    assert is_dark == (scheme == "dark")
    contrasts = browser.run(READ_CONTRASTS)
    assert len(contrasts) > 50
    assert [(round(ratio, 2), text) for ratio, text in contrasts if ratio < 4.5] == []


@pytest.fixture(scope="module")
def comparison(make_contest: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    from components.contest.page import render_page

    page = tmp_path_factory.mktemp("compare") / "report.html"
    page.write_text(render_page(make_contest(hybrid=0.2, svdpp=0.4, biases=0.41, mean=0.8)))
    return page.as_uri()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_comparison_asks_for_nothing_complains_of_nothing_fits_and_is_readable(
    browser: Browser, comparison: str, width: int, scheme: str
):
    browser.open(comparison, width=width, scheme=scheme)
    assert browser.requests() == []
    assert browser.complaints() == []
    assert not is_wider_than_the_window(browser)
    contrasts = browser.run(READ_CONTRASTS)
    assert len(contrasts) > 80
    assert [(round(ratio, 2), text) for ratio, text in contrasts if ratio < 4.5] == []


@pytest.fixture(scope="module")
def review(learnt: Workspace, small: Params, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page for the reviewer of a learnt model beside the averages, as if those served."""
    from tests.review.learnt import render_learnt

    page = tmp_path_factory.mktemp("review") / "review.html"
    page.write_text(render_learnt(learnt, small))
    return page.as_uri()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_review_asks_for_nothing_complains_of_nothing_fits_and_is_readable(
    browser: Browser, review: str, width: int, scheme: str
):
    browser.open(review, width=width, scheme=scheme)
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    assert browser.requests() == []
    assert browser.complaints() == []
    assert not is_wider_than_the_window(browser)
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", ground))) < 128) == (scheme == "dark")
    contrasts = browser.run(READ_CONTRASTS)
    assert len(contrasts) > 150
    assert [(round(ratio, 2), text) for ratio, text in contrasts if ratio < 4.5] == []


def test_pictures_of_the_review_load_have_names_and_lie_in_their_frames(
    browser: Browser, review: str
):
    browser.open(review, width=390)
    browser.run("for (const image of document.images) image.loading = 'eager'")
    pictures = browser.driver.execute_async_script(LOAD_PICTURES)
    assert len(pictures) > 20
    assert [alt for loaded, alt in pictures if not loaded or not alt] == []
    outside = browser.run(
        "return [...document.querySelectorAll('.number, .label, figcaption, pre')]"
        ".filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)"
    )
    assert outside == []


def test_keys_alone_reach_every_link_and_table_of_the_review(browser: Browser, review: str):
    browser.open(review, width=390)
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    reached = browser.run(
        "return [...document.querySelectorAll('a, summary, .scroll')].map((e) => "
        "{ e.focus(); return document.activeElement === e; })"
    )
    assert len(reached) > 10
    assert all(reached)
    targets = browser.run(
        "return [...document.querySelectorAll('a')].map((a) => !!document.querySelector(a.hash))"
    )
    assert all(targets)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["index.html", "ratings.html"])
def test_data_docs_open_offline_and_are_readable(
    browser: Browser, data_docs: Path, page: str, scheme: str
):
    browser.open((data_docs / page).as_uri(), scheme=scheme)
    assert browser.requests() == []
    assert browser.complaints() == []
    assert not is_wider_than_the_window(browser)
    contrasts = browser.run(READ_CONTRASTS)
    assert len(contrasts) > 5
    assert [(round(ratio, 2), text) for ratio, text in contrasts if ratio < 4.5] == []


def test_data_docs_lead_from_the_index_to_a_suite(browser: Browser, data_docs: Path):
    browser.open((data_docs / "index.html").as_uri())
    browser.run("document.querySelector('a').click()")
    assert browser.driver.current_url.endswith("/ratings.html")


def test_checks_notice_a_page_that_is_bad(browser: Browser, tmp_path: Path):
    page = tmp_path / "bad.html"
    page.write_text(
        '<meta name="viewport" content="width=device-width"><body style="background: #fff">'
        '<p style="color: #bbb; width: 2000px">pale</p><img src="http://127.0.0.1:9/x.png">'
    )
    browser.open(page.as_uri(), width=390)
    assert browser.requests() == ["http://127.0.0.1:9/x.png"]
    assert browser.complaints() != []
    assert is_wider_than_the_window(browser)
    ((ratio, text),) = browser.run(READ_CONTRASTS)
    assert text == "pale"
    assert ratio == pytest.approx(1.92, abs=0.01)

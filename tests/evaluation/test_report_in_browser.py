"""The pages that people open, in a real browser: nothing from elsewhere, readable, and whole."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.evaluation.step import evaluate
from components.params import Params
from components.paths import Workspace
from components.settings import Settings

pytestmark = pytest.mark.browser

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDTHS = (390, 1280)

# Every text that is shown, with its colour and that of the nearest opaque ground beneath it.
READ_CONTRASTS = """
const parse = (text) => (text.match(/[0-9.]+/g) || []).map(Number);
const over = (top, below) => {
  const alpha = top.length < 4 ? 1 : top[3];
  return [0, 1, 2].map((i) => alpha * top[i] + (1 - alpha) * below[i]);
};
const light = (rgb) => {
  const [r, g, b] = rgb.map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  if (!element) return [255, 255, 255];
  const own = parse(getComputedStyle(element).backgroundColor);
  return own.length === 4 && own[3] === 0 ? ground(element.parentElement)
    : over(own, ground(element.parentElement));
};
const found = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const text = walk.currentNode.textContent.trim();
  const element = walk.currentNode.parentElement;
  if (!text || !element.checkVisibility() || /^(SCRIPT|STYLE)$/.test(element.tagName)) continue;
  const style = getComputedStyle(element);
  const paint = element.closest("svg") ? style.fill : style.color;
  const below = ground(element.closest("svg") || element);
  const [a, b] = [light(over(parse(paint), below)), light(below)];
  found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text]);
}
return found;
"""


# Waits until every picture has been decoded, or could not be.
LOAD_PICTURES = """
const done = arguments[0];
Promise.allSettled([...document.images].map((image) => image.decode()))
  .then(() => done([...document.images].map((i) => [i.complete && i.naturalWidth > 0, i.alt])));
"""


@dataclass(frozen=True)
class Browser:
    """A Chromium that notes what its page asks for and complains of."""

    driver: Any

    def open(self, address: str, *, width: int = 1280, scheme: str = "light") -> None:
        self.driver.get("about:blank")
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        self.driver.get(address)

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def requests(self) -> list[str]:
        """What was asked for that is no file and no data: URL, since the last look."""
        events = [json.loads(entry["message"]) for entry in self.driver.get_log("performance")]
        sent = {}
        for event in events:
            method, about = event["message"]["method"], event["message"]["params"]
            if method == "Network.requestWillBeSent":
                sent[about["requestId"]] = about["request"]["url"]
            elif method == "Network.loadingFailed" and about.get("blockedReason"):
                del sent[about["requestId"]]  # stopped before it went out
        return [url for url in sent.values() if not url.startswith(("file:", "data:"))]

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    for program in (CHROMIUM, DRIVER):
        if not program.exists():
            pytest.skip(f"{program} is missing; 'apt-get install chromium chromium-driver'")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(executable_path=str(DRIVER))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()


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


def is_wider_than_the_window(browser: Browser) -> bool:
    return bool(
        browser.run(
            "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
    )


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


@pytest.mark.integration
def test_page_of_the_endpoint_shows_every_route(browser: Browser, bento: Path):
    from components.packaging.booting import boot

    with boot(bento, ready_seconds=180) as running:
        browser.open(running.url)
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(browser.driver, 30).until(
            lambda driver: "/recommend" in driver.find_element("tag name", "body").text
        )
        elsewhere = [url for url in browser.requests() if not url.startswith(running.url)]
    assert elsewhere == []

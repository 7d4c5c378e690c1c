"""The page of a look in a real Chromium, by day and by night, on a desk and on a phone."""

from collections.abc import Iterator

import pytest

from components.monitoring.page import render_page
from tests.browser import (
    READ_CONTRASTS,
    WIDTHS,
    Browser,
    is_wider_than_the_window,
    open_browser,
)
from tests.monitoring.making import alarmed, look

pytestmark = pytest.mark.browser

NAMED = ['"online RMSE"', '"95 % interval"', '"promised"', '"ratings"', '"users"']


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "monitor.html"
    path.write_text(render_page([look(9.99e8), alarmed(1e9)], "shop"))
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_page_can_be_read_and_asks_for_nothing(
    browser: Browser, page: str, width: int, scheme: str
):
    browser.open(page, width=width, scheme=scheme)
    assert not is_wider_than_the_window(browser)
    assert [pair for pair in browser.run(READ_CONTRASTS) if pair[0] < 4.5] == []
    assert browser.requests() == []
    assert browser.complaints() == []


@pytest.mark.parametrize("width", WIDTHS)
def test_one_chart_is_shown_that_fits_the_window(browser: Browser, page: str, width: int):
    browser.open(page, width=width)
    shown = browser.run(
        "return [...document.querySelectorAll('svg')].filter((s) => s.checkVisibility())"
        ".map((s) => s.viewBox.baseVal.width)"
    )
    assert shown == [860 if width >= 700 else 360]


@pytest.mark.parametrize("width", [320, *WIDTHS])
def test_every_number_of_every_version_can_be_seen(browser: Browser, page: str, width: int):
    browser.open(page, width=width)
    cells = browser.run(
        "return [...document.querySelectorAll('.versions td')].map((cell) => {"
        "  const inside = cell.closest('section').getBoundingClientRect();"
        "  const text = document.createRange(); text.selectNodeContents(cell);"
        "  const box = text.getBoundingClientRect();"
        "  return [cell.textContent, box.left >= inside.left && box.right <= inside.right,"
        "    getComputedStyle(cell, '::before').content]; })"
    )
    assert len(cells) == 12
    assert [cell for cell in cells if not cell[1]] == []
    named = [told for _, _, told in cells if told != "none"]
    assert named[:5] == ([] if width >= 700 else NAMED)

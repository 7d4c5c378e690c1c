"""The web page of a booted Bento in a real browser: picks, uploads, ratings, keys alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.packaging.booting import boot
from components.pictures import write_copies
from tests.browser import (
    LOAD_PICTURES,
    READ_CONTRASTS,
    WIDTHS,
    Browser,
    is_wider_than_the_window,
    open_browser,
)

pytestmark = [pytest.mark.browser, pytest.mark.integration]

READ_LIST = "return [...document.querySelectorAll('#recommended-list li')].map(e => e.dataset.item)"
IS_SETTLED = (
    "return document.querySelectorAll('#recommended-list li').length > 0 && "
    "document.querySelectorAll('#gallery li').length > 0 && !document.querySelector('[aria-busy]')"
)
NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (e) => violations.push(e.blockedURI));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("chromium")) as opened:
        opened.driver.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": NOTE_VIOLATIONS}
        )
        yield opened


@pytest.fixture(scope="module")
def url(bento: Path, draw: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An endpoint that holds copies of ten of its eleven pictures."""
    import io
    from hashlib import sha256

    pictures = tmp_path_factory.mktemp("pictures")
    for seed in range(10):
        content = draw(seed)
        write_copies(
            pictures, sha256(content).hexdigest(), Image.open(io.BytesIO(content)).convert("RGB")
        )
    with boot(bento, ready_seconds=180, settings={"BEHOLDER_PICTURES": str(pictures)}) as running:
        yield running.url


@pytest.fixture
def drawn(draw: Any, tmp_path: Path) -> Path:
    path = tmp_path / "mine.png"
    path.write_bytes(draw(4))
    return path


def await_true(browser: Browser, script: str) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser.driver, 30).until(lambda driver: driver.execute_script(script))


def open_page(browser: Browser, url: str, *, width: int = 1280, scheme: str = "light") -> None:
    browser.open(url, width=width, scheme=scheme)
    await_true(browser, IS_SETTLED)


def check_quiet(browser: Browser, url: str) -> None:
    """Nothing was asked for elsewhere, refused by the policy, or complained of."""
    elsewhere = [
        one for one in browser.requests() if not one.startswith((url, "about:", "blob:" + url))
    ]
    assert elsewhere == []
    assert browser.complaints() == []
    assert browser.run("return window.violations") == []


def like(browser: Browser, item_id: str) -> None:
    # The list of who likes this may be the one shown: what is awaited is the answer, not a change.
    script = f"document.querySelector('#gallery [data-item={item_id}] .like').click()"
    browser.run(script)
    await_true(browser, IS_SETTLED)


def press(browser: Browser, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(browser.driver).send_keys(*keys).perform()


def test_picks_and_ratings_change_the_list_and_say_why(browser: Browser, url: str):
    open_page(browser, url)
    before = browser.run(READ_LIST)
    assert "often, of late" in browser.run("return document.getElementById('path').textContent")
    like(browser, "i1")
    liked = browser.run(READ_LIST)
    assert "i1" not in liked
    assert "i1" in before
    assert "picked" in browser.run("return document.getElementById('path').textContent")
    assert "% like Print 1" in browser.run(
        "return document.querySelector('#recommended-list .why').textContent"
    )
    assert "version 3 · lineage abcdef012345" in browser.run(
        "return document.getElementById('answered').textContent"
    )
    browser.run(
        "document.querySelectorAll('#recommended-list li:first-child .stars button')[1].click()"
    )
    await_true(browser, "return document.querySelectorAll('#rated li').length === 2")
    await_true(browser, IS_SETTLED)
    assert liked[0] not in browser.run(READ_LIST)
    assert "2 of 5 stars" in browser.run("return document.getElementById('rated').textContent")
    assert "recommendations" in browser.run("return document.getElementById('live').textContent")
    like(browser, "i1")
    assert "i1" in browser.run(READ_LIST)
    check_quiet(browser, url)


def test_upload_finds_its_look_alikes_and_one_that_is_no_picture_is_refused(
    browser: Browser, url: str, drawn: Path, tmp_path: Path
):
    open_page(browser, url)
    field = browser.driver.find_element("id", "file")
    field.send_keys(str(drawn))
    await_true(browser, "return document.querySelectorAll('#alike-list li').length === 6")
    assert browser.run("return document.querySelector('#alike-list li').dataset.item") == "i4"
    assert browser.run("return document.activeElement.id") == "alike"
    check_quiet(browser, url)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    field.send_keys(str(tmp_path / "bad.png"))
    await_true(browser, "return !document.getElementById('problem').hidden")
    assert "not a JPEG" in browser.run("return document.getElementById('problem').textContent")


def test_keys_alone_like_rate_take_back_and_never_lose_the_focus(browser: Browser, url: str):
    from selenium.webdriver.common.keys import Keys

    open_page(browser, url)
    press(browser, Keys.TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    press(browser, Keys.ENTER, Keys.TAB)
    assert browser.run("return document.activeElement.ariaLabel").startswith("1 of 5 stars for")
    rated = browser.run("return document.activeElement.closest('li').dataset.item")
    press(browser, Keys.TAB, Keys.TAB, Keys.ENTER)
    await_true(browser, "return document.querySelectorAll('#rated li').length === 1")
    await_true(
        browser, f"return document.activeElement.matches('.stars button') && {IS_SETTLED[7:]}"
    )
    assert rated not in browser.run(READ_LIST)
    assert "3 of 5" in browser.run("return document.getElementById('rated').textContent")
    browser.run("document.querySelector('#rated button').focus()")
    press(browser, Keys.SPACE)
    await_true(browser, "return document.querySelectorAll('#rated li').length === 0")
    assert browser.run("return document.activeElement.id") == "gallery-name"


def test_every_control_has_a_name_and_a_size_for_a_finger(browser: Browser, url: str):
    open_page(browser, url, width=390)
    like(browser, "i2")
    controls = browser.run(
        "return [...document.querySelectorAll('button, select, input, a[href]')]"
        ".filter((e) => e.checkVisibility() && !e.matches('.hidden, .skip'))"
        ".map((e) => [(e.ariaLabel || e.textContent || e.labels?.[0]?.textContent || '').trim(),"
        " e.closest('.note') ? 99 : e.getBoundingClientRect().height])"
    )
    assert len(controls) > 20
    assert [name for name, height in controls if not name or height < 24] == []
    names = browser.run("return [...document.images].every((i) => i.hasAttribute('alt'))")
    assert names


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_and_is_readable(
    browser: Browser, url: str, drawn: Path, width: int, scheme: str
):
    open_page(browser, url, width=width, scheme=scheme)
    like(browser, "i1")
    browser.driver.find_element("id", "file").send_keys(str(drawn))
    await_true(browser, "return document.querySelectorAll('#alike-list li').length === 6")
    assert not is_wider_than_the_window(browser)
    contrasts = browser.run(READ_CONTRASTS)
    assert len(contrasts) > 40
    assert [(round(ratio, 2), text) for ratio, text in contrasts if ratio < 4.5] == []
    check_quiet(browser, url)


def test_pictures_load_and_one_without_a_copy_has_a_placeholder(browser: Browser, url: str):
    open_page(browser, url)
    browser.run("for (const image of document.images) image.loading = 'eager'")
    browser.run("document.getElementById('own').remove()")
    pictures = browser.driver.execute_async_script(LOAD_PICTURES)
    assert len(pictures) >= 22
    assert all(loaded for loaded, _ in pictures)


def test_page_to_try_the_api_shows_every_route(browser: Browser, url: str):
    browser.open(f"{url}/api")
    await_true(browser, "return document.body.textContent.includes('/predict_rating_by_image')")
    assert "/items/{item_id}/picture" in browser.run("return document.body.textContent")
    assert [one for one in browser.requests() if not one.startswith(url)] == []

"""The web page of a booted Bento in a real browser: picks, uploads, ratings, keys alone."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.answers.log import AnswerLog
from components.feedback.joining import match
from components.feedback.log import FeedbackLog
from components.keys import make_key
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
def pictures(draw: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of ten of the eleven pictures."""
    import io
    from hashlib import sha256

    pictures = tmp_path_factory.mktemp("pictures")
    for seed in range(10):
        content = draw(seed)
        write_copies(
            pictures, sha256(content).hexdigest(), Image.open(io.BytesIO(content)).convert("RGB")
        )
    return pictures


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def url(bento: Path, pictures: Path, logs: Path) -> Iterator[str]:
    """An endpoint that holds those pictures, and keeps feedback and answers."""
    settings = {
        "BEHOLDER_PICTURES": str(pictures),
        "BEHOLDER_FEEDBACK_URL": f"sqlite:///{logs / 'feedback.db'}",
        "BEHOLDER_ANSWERS_URL": f"sqlite:///{logs / 'answers.db'}",
    }
    with boot(bento, ready_seconds=180, settings=settings) as running:
        yield running.url


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def locked(bento: Path, pictures: Path, keys: Path) -> Iterator[str]:
    """An endpoint that asks for keys and keeps no feedback."""
    settings = {
        "BEHOLDER_PICTURES": str(pictures),
        "BEHOLDER_REQUIRE_KEYS": "true",
        "BEHOLDER_KEYS_FILE": str(keys),
    }
    with boot(bento, ready_seconds=180, settings=settings) as running:
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
    """Open the page in what is as good as a new tab."""
    browser.open(f"{url}/livez")
    browser.run("sessionStorage.clear(); localStorage.clear()")
    browser.open(url, width=width, scheme=scheme)
    await_true(browser, IS_SETTLED)


def read(browser: Browser, element: str) -> str:
    return str(browser.run(f"return document.getElementById('{element}').textContent"))


def focused(browser: Browser) -> str:
    return str(browser.run("return document.activeElement.id"))


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
    hearts = browser.run(
        "return [...document.querySelectorAll('.like')].map((e) => e.getBoundingClientRect())"
        ".map((box) => Math.min(box.width, box.height))"
    )
    assert min(hearts) >= 44
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


@pytest.mark.parametrize("endpoint", ["url", "locked"])
def test_page_to_try_the_api_shows_every_route_with_and_without_keys(
    browser: Browser, endpoint: str, request: pytest.FixtureRequest
):
    url = request.getfixturevalue(endpoint)
    browser.open(f"{url}/api")
    await_true(browser, "return document.body.textContent.includes('/predict_rating_by_image')")
    assert "/items/{item_id}/picture" in browser.run("return document.body.textContent")
    assert [one for one in browser.requests() if not one.startswith(url)] == []


def give_name(browser: Browser, name: str) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.run("document.getElementById('name').focus()")
    press(browser, name, Keys.ENTER)
    await_true(browser, f"return !document.getElementById('known').hidden && {IS_SETTLED[7:]}")


def test_rating_under_a_name_is_stored_with_its_answer_and_outlasts_the_page(
    browser: Browser, url: str, logs: Path
):
    open_page(browser, url)
    assert "stays in this tab" in read(browser, "where")
    like(browser, "i1")
    give_name(browser, "Ana <b>")
    await_true(browser, "return document.querySelectorAll('#rated select').length === 1")
    assert focused(browser) == "leave"
    assert "stored on this server under the name “Ana <b>”" in read(browser, "where")
    browser.run("document.querySelectorAll('#recommended-list .stars button')[1].click()")
    await_true(browser, "return document.querySelectorAll('#rated select').length === 2")
    await_true(browser, IS_SETTLED)
    rated = browser.run("return document.querySelector('#rated li').dataset.item")
    assert "not learnt yet: 2." in read(browser, "remembered")
    shown = browser.run(READ_LIST)
    assert not {"i1", rated} & set(shown)
    check_quiet(browser, url)
    browser.driver.refresh()
    await_true(browser, IS_SETTLED)
    assert browser.run(READ_LIST) == shown
    assert read(browser, "user") == "Ana <b>"
    assert "not learnt yet: 2." in read(browser, "remembered")
    feedback = FeedbackLog(f"sqlite:///{logs / 'feedback.db'}")
    assert {r.item_id: r.rating for r in feedback.recent_ratings("Ana <b>")} == {
        "i1": 5.0,
        rated: 2.0,
    }
    answers = AnswerLog(f"sqlite:///{logs / 'answers.db'}")
    (told,) = [one for one in feedback.named() if one.user_id == "Ana <b>"]
    deadline = time.monotonic() + 30
    while not answers.find(told.request_id):  # written behind the answer
        assert time.monotonic() < deadline
        time.sleep(0.05)
    joined = match(told, answers.find(told.request_id))
    assert (told.item_id, joined.path) == (rated, "history")
    assert joined.predicted is not None
    feedback.close()
    answers.close()


def test_stored_rating_is_changed_but_not_taken_back_and_a_name_can_be_left(
    browser: Browser, url: str, logs: Path
):
    from selenium.webdriver.common.keys import Keys

    open_page(browser, url)
    give_name(browser, "bea")
    like(browser, "i2")
    await_true(browser, "return document.querySelectorAll('#rated select').length === 1")
    like(browser, "i2")
    assert browser.run("return document.activeElement.matches('[data-item=i2] select')")
    assert "is stored" in read(browser, "live")
    press(browser, Keys.END)
    await_true(browser, "return document.querySelector('#rated select')?.value === '1'")
    await_true(browser, IS_SETTLED)
    await_true(browser, "return document.activeElement.matches('[data-item=i2] select')")
    feedback = FeedbackLog(f"sqlite:///{logs / 'feedback.db'}")
    assert [one.rating for one in feedback.recent_ratings("bea")] == [5.0, 1.0]
    feedback.close()
    browser.run("document.getElementById('leave').click()")
    await_true(browser, IS_SETTLED)
    assert focused(browser) == "name"
    assert browser.run("return document.getElementById('rated').children.length") == 0
    assert browser.run("return Object.keys(sessionStorage)") == []
    check_quiet(browser, url)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_a_named_visitor_fits_and_is_readable(
    browser: Browser, url: str, width: int, scheme: str
):
    open_page(browser, url, width=width, scheme=scheme)
    like(browser, "i1")
    give_name(browser, f"{'w' * 80}-{width}-{scheme}")
    await_true(browser, "return document.querySelectorAll('#rated select').length === 1")
    assert not is_wider_than_the_window(browser)
    contrasts = browser.run(READ_CONTRASTS)
    assert [(round(ratio, 2), text) for ratio, text in contrasts if ratio < 4.5] == []
    heights = browser.run(
        "return [...document.querySelectorAll('.taste :is(button, select, input:not(.hidden))')]"
        ".filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect().height)"
    )
    assert min(heights) >= 24


IS_GALLERY_FIRST = (
    "return document.getElementById('gallery-part').compareDocumentPosition("
    "document.getElementById('recommended-part')) === Node.DOCUMENT_POSITION_FOLLOWING"
)


def test_gallery_comes_first_until_something_is_picked(browser: Browser, url: str):
    open_page(browser, url)
    assert browser.run(IS_GALLERY_FIRST)
    browser.run("document.querySelector('#gallery [data-item=i3] .like').focus()")
    like(browser, "i3")
    assert not browser.run(IS_GALLERY_FIRST)
    assert browser.run("return document.activeElement.matches('#gallery [data-item=i3] .like')")
    like(browser, "i3")
    assert browser.run(IS_GALLERY_FIRST)


def test_after_a_reload_a_name_has_its_picks_and_the_cards_their_reasons(
    browser: Browser, url: str
):
    open_page(browser, url)
    like(browser, "i1")
    give_name(browser, "dora")
    await_true(browser, "return document.querySelectorAll('#rated select').length === 1")
    browser.driver.refresh()
    await_true(browser, IS_SETTLED)
    assert browser.run("return document.querySelector('#rated select').value") == "5"
    assert "% like Print 1" in browser.run(
        "return document.querySelector('#recommended-list .why').textContent"
    )
    assert not browser.run("return document.getElementById('nothing').checkVisibility()")
    assert "stored under this name" in read(browser, "path")
    assert not browser.run(IS_GALLERY_FIRST)
    check_quiet(browser, url)


def test_name_whose_picks_this_browser_lacks_is_told_how_many_are_stored(
    browser: Browser, url: str
):
    open_page(browser, url)
    give_name(browser, "emil")
    assert "Nothing under this name yet" in read(browser, "nothing")
    like(browser, "i1")
    open_page(browser, url)  # as in another browser
    give_name(browser, "emil")
    await_true(browser, "return document.getElementById('remembered').textContent.includes(': 1.')")
    assert read(browser, "nothing") == (
        "1 rating is stored under this name. This browser has no copy of it to show; "
        "your lists count it in."
    )
    like(browser, "i2")
    assert "no copy are not shown above" in read(browser, "remembered")


@pytest.mark.parametrize("kept", ["not JSON", '[{"item": 5}, null]', '{"a": 1}'])
def test_broken_copy_of_picks_is_as_good_as_none(browser: Browser, url: str, kept: str):
    open_page(browser, url)
    browser.run(
        "sessionStorage.setItem('beholder-user', 'fee');"
        f"localStorage.setItem('beholder-picks-fee', {kept!r})"
    )
    browser.driver.refresh()
    await_true(browser, IS_SETTLED)
    assert "Nothing under this name yet" in read(browser, "nothing")
    assert browser.run("return document.getElementById('problem').hidden")


def test_copy_of_picks_that_the_server_never_stored_is_dropped(browser: Browser, url: str):
    open_page(browser, url)
    browser.run(
        "sessionStorage.setItem('beholder-user', 'gil');"
        "localStorage.setItem('beholder-picks-gil',"
        ' \'[{"item": {"item_id": "i1", "title": "Print 1"}, "stars": 5}]\')'
    )
    browser.driver.refresh()
    await_true(
        browser,
        f"return {IS_SETTLED[7:]} && document.getElementById('rated').children.length === 0",
    )
    assert "Nothing under this name yet" in read(browser, "nothing")
    assert browser.run("return localStorage.length") == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_number_at_the_end_of_a_title_is_never_cut_off(
    browser: Browser, url: str, drawn: Path, width: int
):
    open_page(browser, url, width=width)
    like(browser, "i1")
    browser.driver.find_element("id", "file").send_keys(str(drawn))
    await_true(browser, "return document.querySelectorAll('#alike-list li').length === 6")
    cut = browser.run(
        "const shown = [...document.querySelectorAll('.title, .why span')];"
        "for (const one of shown) one.textContent = one.matches('.title')"
        " ? 'Workshop Weaves no. 1440 (simulated)' : '49 % like Marigold Tiles no. 46 (simulated)';"
        "return shown.filter((one) => one.scrollHeight > one.clientHeight + 1).length"
    )
    assert cut == 0


def test_rated_look_alike_makes_room_for_the_next(browser: Browser, url: str, drawn: Path):
    open_page(browser, url)
    browser.driver.find_element("id", "file").send_keys(str(drawn))
    await_true(browser, "return document.querySelectorAll('#alike-list li').length === 6")
    browser.run("document.querySelectorAll('#alike-list .stars button')[4].click()")
    await_true(browser, "return document.querySelectorAll('#rated li').length === 1")
    await_true(browser, IS_SETTLED)
    shown = browser.run(
        "return [...document.querySelectorAll('#alike-list li')].map((e) => e.dataset.item)"
    )
    assert len(shown) == len(set(shown)) == 6
    assert "i4" not in shown


def test_foot_of_the_page_counts_what_was_learnt_apart_from_what_came_since(
    browser: Browser, url: str
):
    browser.open(f"{url}/livez")
    browser.run("sessionStorage.clear(); localStorage.clear()")
    script = (
        "const real = window.fetch; window.fetch = async (address, options) => {"
        " const answer = await real(address, options); if (address !== 'model') return answer;"
        " const told = await answer.json();"
        " Object.assign(told.counts, { items: 481, items_appended: 1, users: 1, ratings: 24000 });"
        " return new Response(JSON.stringify(told)); };"
    )
    command = "Page.addScriptToEvaluateOnNewDocument"
    added = browser.driver.execute_cdp_cmd(command, {"source": script})
    try:
        browser.open(url)
        await_true(browser, IS_SETTLED)
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    said = "learnt from 24,000 ratings by 1 person of 480 items, and 1 item came since;"
    assert said in read(browser, "model")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_to_try_the_api_shows_its_title_and_answers_at_the_first_click(
    browser: Browser, url: str, scheme: str
):
    browser.open(f"{url}/api", scheme=scheme)
    await_true(browser, "return !!document.getElementById('operations-recommend-similar')")
    heading = browser.driver.find_element("css selector", ".info .title")
    assert heading.text.startswith("Beholder")
    assert "model 3" in heading.text
    assert heading.value_of_css_property("visibility") == "visible"
    headings = browser.run(
        "return [...document.querySelectorAll('.opblock-tag')].map((e) => e.dataset.tag)"
    )
    assert headings == ["recommend", "items", "feedback", "operations"]
    assert browser.run(
        "return !document.querySelector('#operations-operations-model .locked, "
        "#operations-operations-model .unlocked')"
    )
    part = "document.querySelector('#operations-recommend-similar {}')"
    for step in (".opblock-summary-control", ".try-out__btn", ".execute"):
        await_true(browser, f"return !!{part.format(step)}")
        browser.run(part.format(step) + ".click()")
    answered = part.format(".live-responses-table tbody .response-col_status")
    await_true(browser, f"return !!{answered}")
    assert browser.run(f"return {answered}.textContent").startswith("200")


def test_busy_server_is_said_and_asked_again_once(browser: Browser, url: str):
    open_page(browser, url)
    browser.run(
        "const real = window.fetch; let left = 1; window.waits = new Set();"
        "new MutationObserver(() => waits.add(document.getElementById('problem').textContent))"
        ".observe(document.getElementById('problem'), { childList: true });"
        "window.busy = (times) => { left = times; };"
        "window.fetch = (address, options) => address === 'recommend' && left-- > 0"
        ' ? Promise.resolve(new Response(\'{"error": "too many requests at once"}\','
        " { status: 429, headers: { 'retry-after': '1' } })) : real(address, options)"
    )
    like(browser, "i1")
    await_true(browser, f"{READ_LIST}.length > 0 && document.getElementById('problem').hidden")
    assert browser.run("return [...waits]") == [
        "too many requests at once. This page asks again by itself in 1 s."
    ]
    await_true(browser, "return !document.querySelector('#recommended-list [data-item=i1]')")
    browser.run("busy(2); document.querySelector('#gallery [data-item=i2] .like').click()")
    await_true(
        browser,
        "return document.getElementById('problem').textContent === 'too many requests at once'",
    )
    assert not browser.run("return document.getElementById('problem').hidden")


def test_key_is_asked_for_once_kept_in_the_tab_and_sent_with_pictures(
    browser: Browser, locked: str, keys: Path
):
    from selenium.webdriver.common.keys import Keys

    token = make_key(keys, "page", ("recommend",), None)
    browser.open(f"{locked}/livez")
    browser.run("sessionStorage.clear()")
    browser.open(locked)
    is_open = "return document.getElementById('key-form').open"
    await_true(browser, is_open)
    assert focused(browser) == "key"
    assert "beholder keys make" in read(browser, "key-why")
    press(browser, "bhk_wrong", Keys.ENTER)
    await_true(
        browser, f"{is_open} && document.getElementById('key-why').textContent.includes('unk')"
    )
    press(browser, token, Keys.ENTER)
    await_true(browser, IS_SETTLED)
    like(browser, "i1")
    browser.run("window.scrollTo(0, document.body.scrollHeight)")
    loaded = (
        "return [...document.querySelectorAll('#gallery img')].every((i) => i.naturalWidth > 0)"
    )
    await_true(browser, loaded)
    sources = browser.run("return [...document.querySelectorAll('.frame img')].map((i) => i.src)")
    assert {source.split(":")[0] for source in sources} == {"blob"}
    assert browser.run("return [Object.keys(sessionStorage), localStorage.length]") == [
        ["beholder-key"],
        0,
    ]
    assert browser.run("return window.violations") == []
    asked = [one for one in browser.requests() if not one.startswith("blob:")]
    assert [one for one in asked if token in one] == []
    browser.driver.refresh()
    await_true(browser, IS_SETTLED)
    assert not browser.run(is_open)


def test_key_without_the_scope_is_said_and_the_list_goes_on(
    browser: Browser, locked: str, keys: Path
):
    from selenium.webdriver.common.keys import Keys

    token = make_key(keys, "lists", ("recommend",), None)
    browser.open(f"{locked}/livez")
    browser.run(f"sessionStorage.clear(); sessionStorage.setItem('beholder-key', '{token}')")
    browser.open(locked, width=390)
    await_true(browser, IS_SETTLED)
    like(browser, "i1")
    browser.run("document.getElementById('name').focus()")
    press(browser, "cy", Keys.ENTER)
    await_true(browser, "return document.getElementById('key-form').open")
    assert "has no scope 'feedback'" in read(browser, "key-why")
    assert not is_wider_than_the_window(browser)
    press(browser, Keys.ESCAPE)
    await_true(browser, "return !document.getElementById('problem').hidden")
    assert "has no scope 'feedback'" in read(browser, "problem")
    await_true(browser, IS_SETTLED)
    assert "i1" not in browser.run(READ_LIST)
    # Not stored, so it can be taken back.
    assert browser.run("return document.querySelectorAll('#rated button').length") == 1

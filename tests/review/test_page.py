import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from components.batches import Batch
from components.promotion.gate import TrialFacts, Verdict
from components.review.changes import Change, Changes, DataChange, Inputs, Totals
from components.review.page import describe_headline, find_evidence, list_limits, render_page
from components.review.people import Miss, People
from tests.review.making import NAN, TRIAL, compared, first, part, person, review, shown

VOID = {"meta", "img", "br", "wbr", "link", "input"}


def render(made=None, picture: str | None = "data:image/jpeg;base64,AA==") -> str:
    return render_page(made or review(), lambda _: picture)


def test_verdict_its_number_and_the_next_commands_stand_at_the_top():
    html = render()
    top = html[: html.index('id="numbers"')]
    for expected in (
        "Promote",
        "Version 4 predicts ratings better than version 2, the champion.",
        "−0.0400",
        "−0.0600 to −0.0200",
        "beholder review approve 4 <span>--reason",
        "beholder review reject 4 <span>--reason",
    ):
        assert expected in top


def trial(**changed) -> TrialFacts:
    return replace(TRIAL, **changed)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (review(first()), "beats every simple rule and may be the first champion"),
        (review(compared(0.02, 0.06)), "predicts ratings worse than version 2, the champion"),
        (
            review(compared(-0.02, 0.02)),
            "is not proven better than version 2, which stays champion",
        ),
        (review(replace(first(), rows=3)), "is not proven good enough to be the first champion"),
        (review(trial=trial(passed=False, reasons=("it did not start",))), "failed its trial"),
        (review(trial=trial(bundle_mb=1e6)), "must not be champion"),
        (review(trial=trial(memory_mb=math.nan)), "failed its trial and can never be champion"),
        (review(trial=trial(latency_p99_ms=501.0)), "was too slow this time"),
        (review(rival=None), "better than the champion."),
        (review(compared(late=part(500, 0.0, 0.06))), "not proven safe; version 2 stays"),
    ],
)
def test_headline_says_what_the_gate_found(made, said: str):
    assert said in describe_headline(made)
    assert said in render(made)


def test_version_that_is_its_champion_changes_nothing():
    comparison = compared(0, 0)
    assert comparison.champion is not None
    same = replace(comparison, candidate=replace(comparison.candidate, digest="m" * 64))
    made = review(same, people=People((person(champion=(shown(1), shown(2))),), (), 0, 0, 80, 1000))
    html = render(made)
    assert "is the very model of version 2, the champion: nothing would change" in html
    assert "Nobody: both models predict the same for everybody" in html
    assert "<b>Both</b> would show" in html


def test_rejection_offers_no_approval():
    html = render(review(compared(0.02, 0.06)))
    assert "review approve" not in html
    assert "nobody can approve" in html


def test_every_element_is_closed_and_every_heading_and_table_says_what_it_is():
    page = Page()
    page.feed(render(review(changes=CHANGES)))
    assert page.open == []
    assert page.headings[0] == "h1"
    assert page.headings.count("h1") == 1
    assert page.cells_without_scope == 0
    assert set(page.targets) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.cells_without_scope = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(tag)
        if tag == "th":
            self.cells_without_scope += given.get("scope") not in ("row", "col")
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.targets.append(str(given["href"]).removeprefix("#"))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_fetches_nothing_and_same_content_gives_the_same_bytes():
    html = render()
    assert html == render()
    assert "default-src 'none'" in html
    assert not re.search(r"url\(|@import|<script|<link|https?:", html)
    assert not re.search(r"\bnan\b|\binf\b|None", html)


def test_numbers_that_are_none_are_dashes():
    broken = replace(
        compared(late=replace(compared().slices["late"], candidate=NAN, difference=NAN)),
        candidate=replace(compared().candidate, rmse=NAN, non_finite=3),
        difference=NAN,
    )
    made = review(broken, trial=trial(latency_p99_ms=math.nan), people=People((), (), 0, 0, 0, 0))
    html = render(made)
    assert "not measured" in html
    after_reasons = html[html.index('id="numbers"') :]
    assert not re.search(r"\bnan\b|\binf\b|None", after_reasons)


TITLE = '<script>alert("1")</script>'


def test_what_comes_from_the_data_is_no_markup():
    made = review(
        people=People((person(TITLE, candidate=(shown(1, title=TITLE),)),), (), 1, 0, 0, 9)
    )
    html = render(made)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 2


def test_page_names_its_evidence_only_when_every_picture_was_there():
    made = review(people=People((person(candidate=(shown(1, image="a" * 64),)),), (), 1, 0, 0, 9))
    assert find_evidence(render(made)) == "e" * 64
    short = render(made, picture=None)
    assert find_evidence(short) is None
    assert "picture not in this workspace" in short


def test_item_without_an_image_says_so_and_does_not_spoil_the_evidence():
    html = render()
    assert "no image" in html
    assert find_evidence(html) == "e" * 64


def test_pictures_have_names_and_what_is_new_is_marked():
    new = replace(shown(1, image="a" * 64), is_new=True)
    html = render(review(people=People((person(candidate=(new,)),), (), 1, 0, 0, 9)))
    assert '<img src="data:image/jpeg;base64,AA==" alt="Print 1"' in html
    assert '<span class="flag">new</span>' in html


def test_losers_are_shown_with_what_was_missed():
    loser = person("lost", misses=(Miss(shown(5), 1.25, 3.0),))
    html = render(review(people=People((), (loser,), 50, 20, 10, 1000)))
    losers = html[html.index('id="losers"') :]
    assert "User lost" in losers
    assert "3.0 → <b>1.2</b>" in losers
    assert "(62 %) are predicted better than by version 2" in losers


def test_limits_are_shown_beside_what_was_measured():
    limits = {limit.what: limit for limit in list_limits(review())}
    assert limits["Memory of the server"].value == 800
    assert limits["Memory of the server"].share == pytest.approx(19.5)
    over = [
        one for one in list_limits(review(trial=trial(latency_p99_ms=501.0))) if not one.is_kept
    ]
    assert [one.what for one in over] == ["A list, 99 times of 100"]
    assert "over" in render(review(trial=trial(latency_p99_ms=501.0)))


def test_what_nobody_kept_is_said():
    made = review(trial=None, verdict=Verdict("promote", ()), costs=())
    html = render(made)
    assert "does not keep what its trial measured" in html
    assert "does not keep what the steps cost" in html
    assert "registered no more, so nobody can say" in html


def test_where_the_gate_decides_no_approval_is_offered():
    html = render(review(policy="auto"))
    assert "beholder review approve" not in html
    assert "beholder rollback" in html
    assert "beholder review approve 4" in render(review(policy="required"))


def test_approval_names_the_numbers_that_the_page_shows():
    assert "review approve 4 <span>--seen 5ee0</span> <span>--reason" in render(review(seen="5ee0"))


BATCH = Batch("b" * 16, "b" * 64, 3, 4, 500)
CHANGES = Changes(
    data=DataChange((BATCH,), (), False, Totals(1, 100, 9, 8), Totals(2, 600, 12, 12)),
    params=(Change("families.hybrid.factors", "4", "16"), Change("new.key", None, "1")),
    code=(Change("train", "1" * 64, "2" * 64),),
    packages=None,
    commit=Change("git commit", "1" * 40, None),
)


def test_changes_are_told_key_by_key():
    html = render(review(changes=CHANGES))
    for expected in (
        "bbbbbbbbbbbbbbbb",
        "+500",
        "<code>families.<wbr>hybrid.<wbr>factors</code>",
        "<del>4</del>",
        "<ins>16</ins>",
        "not there",
        "11111111 → 22222222",
        "111111111111",
        "One of the two runs does not keep this",
    ):
        assert expected in html


def test_first_version_tells_what_it_rests_on():
    html = render(review(first(), inputs=Inputs(batches=(BATCH, BATCH))))
    assert "1,000 ratings, 6 items and 8 images, ingested in 2 batches" in html
    assert "Who is served worst" in html


def test_costs_are_told_by_step_with_their_sum():
    html = render()
    assert "12.5 s" in html
    assert "900 MB" in html
    assert "was up to date" in html

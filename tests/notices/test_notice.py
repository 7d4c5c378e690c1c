import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from components.notices.notice import MAX_TEXT, Notice, read_numbers
from components.promotion.comparison import Comparison, Score
from components.statistics import Interval

NUMBERS = {
    "candidate": {"value": 0.85, "low": 0.84, "high": 0.86},
    "champion": {"value": 0.9, "low": 0.89, "high": 0.91},
    "difference": None,
    "level": 0.95,
    "rows": 1234,
    "users": 56,
}


def test_text_says_what_happened_why_what_asked_for_it_and_what_to_do():
    notice = Notice(
        "review",
        "/srv/shop",
        "version 7 awaits your review",
        7,
        ("better by 0.05", "no slice is worse"),
        "data (batch 3 came in)",
        NUMBERS,
        ("beholder review show 7",),
        "http://prefect/run",
    )
    assert notice.to_text().splitlines() == [
        "shop: version 7 awaits your review",
        "RMSE 0.8500 (0.8400 – 0.8600), the champion's 0.9000 (0.8900 – 0.9100), "
        "on 1,234 test ratings (95% intervals)",
        "why: better by 0.05; no slice is worse",
        "asked by: data (batch 3 came in)",
        "next: beholder review show 7",
        "http://prefect/run",
    ]


def test_notice_of_nothing_but_a_sentence_is_that_sentence():
    assert Notice("failed", "/srv/shop", "it failed").to_text() == "shop: it failed"


@given(st.text(max_size=4000), st.lists(st.text(max_size=3000), max_size=3), st.text(max_size=900))
def test_text_is_never_longer_than_receivers_take(says: str, reasons: list[str], asked: str):
    notice = Notice("failed", "/a", says, reasons=tuple(reasons), asked_by=asked, link="http://x")
    assert len(notice.to_text()) <= MAX_TEXT
    assert json.loads(json.dumps(notice.to_payload()))["text"] == notice.to_text()


def test_long_reasons_are_cut_and_the_link_stays():
    notice = Notice("failed", "/a", "it failed", reasons=("x" * 5000,), link="http://page")
    assert notice.to_text().splitlines()[-1] == "http://page"
    assert "x…" in notice.to_text()


def test_numbers_that_are_none_are_told_as_such():
    nan = Interval(float("nan"), float("nan"), float("nan"))
    score = Score("h" * 64, "hybrid", nan, 3)
    alone = Comparison(10, 2, 0, 0, 0.95, score, None, None, {}, {})
    numbers = read_numbers(alone)
    assert numbers["champion"] is None
    json.dumps(numbers, allow_nan=False)
    assert "RMSE is no number, on 10" in Notice("rejected", "/a", "no", numbers=numbers).to_text()
    first = replace(alone, candidate=replace(score, rmse=Interval(0.5, 0.4, 0.6)))
    text = Notice("promoted", "/a", "yes", numbers=read_numbers(first)).to_text()
    assert "RMSE 0.5000 (0.4000 – 0.6000), on 10" in text

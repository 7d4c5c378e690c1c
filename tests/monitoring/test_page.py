import re

from components.monitoring.checks import Check
from components.monitoring.course import join_courses, style_versions
from components.monitoring.page import describe_headline, render_page, tell_age
from components.monitoring.rmse import Course
from components.monitoring.snapshot import Champion
from tests.monitoring.making import alarmed, look


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("</style>")[2]).split())


def test_quiet_look_says_so_and_shows_its_numbers():
    text = text_of(render_page([look(1e9)], "shop"))
    for expected in (
        "In order",
        "No alarm, by the 4 of 5 checks that could be made.",
        "0.8100 online RMSE, 0.8000 was promised",
        "not judged: no item came in since the champion learnt",
        "what is liked of late",
        "20.0 % knew nothing of who asked, 40.0 % had learnt nothing for them",
        "4 answers could not be kept",
        "10.0 % of them one that is not kept",
    ):
        assert expected in text


def test_alarm_stands_first_with_its_next_command():
    text = text_of(render_page([look(5e8), alarmed(1e9)], "shop"))
    assert "1 alarm" in text
    assert "Something has changed: online RMSE." in text
    assert "It is off. Since 9 Sep 2001, 01:46 UTC. beholder retrain" in text


def test_look_at_nothing_says_what_is_missing():
    unknown = tuple(Check(check.kind, "unknown", why="nothing yet") for check in look().checks)
    bare = look(1e9, answers=None, feedback=None, given=None, online=(), course=(), checks=unknown)
    text = text_of(render_page([bare], "shop"))
    assert "There is too little to judge by yet." in text
    assert "send the request_id of the answer" in text
    assert "no answers are kept" in text


def test_names_from_outside_are_escaped_and_nothing_comes_from_elsewhere():
    champion = Champion("<b>3", "<i>", "hybrid", None, None)
    html = render_page([look(1e9, champion=champion)], "<script>alert(1)</script>")
    assert "<script" not in html
    assert "<b>3" not in html
    assert not re.search(r"https?://|src=|@import|url\(", html)


def test_same_looks_give_the_same_bytes():
    assert render_page([look(1e9)], "shop") == render_page([look(1e9)], "shop")


def test_courses_of_several_looks_are_one_without_overlap():
    def stretch(since: float, rmse: float) -> Course:
        return Course("3", since, since + 9, 10, rmse)

    older = look(30.0, course=(stretch(0, 1.0), stretch(10, 2.0), stretch(20, 3.0)))
    newer = look(40.0, course=(stretch(15, 4.0), stretch(25, 5.0)))
    assert [one.rmse for one in join_courses([older, newer])] == [1.0, 4.0, 5.0]


def test_champion_has_its_colour_and_the_newest_others_theirs():
    course = [Course(str(n), n, n, 1, 1.0) for n in range(6)]
    assert style_versions(course, "5") == {
        "5": "ours",
        "4": "other solid",
        "3": "third",
        "2": "fourth",
        "1": "muted",
        "0": "muted",
    }
    assert "ours" not in style_versions(course, "9").values()


def test_all_checks_made_are_said():
    quiet = tuple(Check(check.kind, "quiet", 0.0, 1.0, 1.0) for check in look().checks)
    assert describe_headline(look(checks=quiet)) == "Nothing is out of order, by every check."


def test_age_is_told_in_units_that_fit():
    ages = [tell_age(seconds) for seconds in (60, 3 * 3600, 3 * 86_400)]
    assert ages == [("1", "minutes"), ("3", "hours"), ("3", "days")]

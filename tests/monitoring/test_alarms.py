from dataclasses import replace

from components.monitoring.alarms import NAMES, find_new, raise_alarms
from components.monitoring.checks import Check
from tests.monitoring.making import alarmed, look

RISEN = Check("rmse", "alarm", 0.2, 0.06, 0.0005, 300, 5000)
QUIET = replace(RISEN, state="quiet", value=0.01)
UNKNOWN = Check("rmse", "unknown", why="12 ratings, 100 are needed")


def test_alarm_that_stands_goes_on_and_is_told_once():
    first = look(1000.0, alarms=raise_alarms([RISEN], "3", 1000.0, look(900.0)))
    assert [alarm.since for alarm in find_new(first)] == [1000.0]
    second = look(2000.0, alarms=raise_alarms([RISEN], "3", 2000.0, first))
    assert [alarm.since for alarm in second.alarms] == [1000.0]
    assert find_new(second) == ()


def test_alarm_goes_on_while_nobody_can_judge_and_ends_when_all_is_quiet():
    before = alarmed(1000.0)
    assert raise_alarms([UNKNOWN], "3", 2000.0, before) == before.alarms
    assert raise_alarms([QUIET], "3", 2000.0, before) == ()


def test_another_champion_has_alarms_of_its_own():
    (alarm,) = raise_alarms([RISEN], "4", 2000.0, alarmed(1000.0))
    assert (alarm.version, alarm.since) == ("4", 2000.0)
    assert raise_alarms([UNKNOWN], "4", 2000.0, alarmed(1000.0)) == ()


def test_every_kind_says_what_is_wrong_and_what_to_do():
    checks = [replace(RISEN, kind=kind) for kind in NAMES]
    for alarm in raise_alarms(checks, "3", 1.0, None):
        assert "version 3" in alarm.says
        assert "300" in alarm.says
        assert alarm.next.startswith("beholder ")

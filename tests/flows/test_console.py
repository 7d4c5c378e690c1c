import io
import logging
from collections.abc import Callable

import pytest
from rich.console import Console

from flows.console import StepConsole, show_steps, step

log = logging.getLogger("components.tests")


@pytest.fixture
def draw(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Run something while the steps are drawn; return what was drawn, line by line."""

    def run(action: Callable[[], None]) -> list[str]:
        with show_steps():
            action()
        return capsys.readouterr().err.splitlines()

    return run


def test_step_that_ended_shows_its_time_and_its_note(draw):
    def work() -> None:
        with step("train") as now:
            now.note = "hybrid, 12 epochs"

    (line,) = draw(work)
    assert line.split() == ["✓", "train", "0.0", "s", "hybrid,", "12", "epochs"]


def test_step_that_was_right_already_shows_no_time(draw):
    def work() -> None:
        with step("embed") as now:
            now.cached = True

    assert draw(work)[0].split() == ["=", "embed", "up", "to", "date"]


def test_step_that_fails_is_drawn_and_its_error_goes_on(draw):
    def work() -> None:
        with pytest.raises(RuntimeError, match="no"), step("gate"):
            raise RuntimeError("no")

    assert draw(work)[0].split()[:2] == ["✗", "gate"]


NASTY = ["[red]x[/]", "[/]", "[0, 1]", "C:\\[bold]", "ends in \\", "[/nothing]"]


@pytest.mark.parametrize("text", NASTY)
def test_markup_in_notes_and_messages_is_text(draw, text: str):
    def work() -> None:
        with step("train") as now:
            now.note = text
            log.warning("%s", text)

    assert [line.strip().endswith(text) for line in draw(work)] == [True, True]


@pytest.mark.parametrize("text", [*NASTY, "x" * 500, "[bold]" * 90, "\\[" * 90])
@pytest.mark.parametrize("width", [20, 31, 80])
def test_any_line_may_stand_beside_the_spinner(text: str, width: int):
    handler = StepConsole()
    drawn = io.StringIO()
    handler.console = Console(file=drawn, force_terminal=True, width=width)
    handler._status = handler.console.status("")
    with_handler = logging.getLogger("components.tests.spinner")
    with_handler.addHandler(handler)
    with_handler.setLevel(logging.INFO)
    try:
        handler.emit(_record("started"))
        with_handler.info("%s", text)
        handler.emit(_record("ended"))
    finally:
        with_handler.removeHandler(handler)
    assert "✓" in drawn.getvalue()


def _record(event: str) -> logging.LogRecord:
    from flows.console import Step

    record = logging.LogRecord("flows", logging.INFO, "", 0, event, None, None)
    record.step, record.event = Step("train"), event
    return record


def test_warnings_are_shown_and_other_lines_are_not(draw):
    def work() -> None:
        with step("push"):
            log.info("copied file=1")
            log.warning("disk almost full free=1")

    lines = draw(work)
    assert lines[0].strip() == "! disk almost full free=1"
    assert len(lines) == 2


def test_progress_of_long_work_is_a_line_where_there_is_no_terminal(draw):
    def work() -> None:
        with step("embed"):
            log.info("components.progress progress what=images done=64 of=480 per_second=30.1")

    lines = draw(work)
    assert "images done=64 of=480" in lines[0]


def loggers_state() -> list[tuple[int, bool, int]]:
    loggers = map(logging.getLogger, ("flows", "components"))
    return [(logger.level, logger.propagate, len(logger.handlers)) for logger in loggers]


def test_loggers_are_as_before_also_after_an_exception():
    logging.getLogger("flows").propagate = False
    try:
        before = loggers_state()
        with pytest.raises(RuntimeError), show_steps():
            raise RuntimeError
        assert loggers_state() == before
        with show_steps():
            assert loggers_state() != before
        assert loggers_state() == before
    finally:
        logging.getLogger("flows").propagate = True

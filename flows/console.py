"""What a person sees of a run: one line a step as it ends, and what it does meanwhile."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.text import Text

# What components.progress logs where there is no terminal to draw a bar on.
_PROGRESS = "progress what="

log = logging.getLogger(__name__)

_SIGNS = {"failed": ("✗", "red"), "cached": ("=", "dim"), "ran": ("✓", "green")}
# Columns of a spinner's line that its label takes.
_BESIDE_LINE = 30


@dataclass
class Step:
    """One step of a run while it runs; `note` is what its line shall say at the end."""

    name: str
    note: str = ""
    cached: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.started


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Log a step's start and its end; `StepConsole` draws both on a terminal."""
    now = Step(name)
    log.info("step started step=%s", name, extra={"step": now, "event": "started"})
    try:
        yield now
    except BaseException:
        log.info("step failed step=%s", name, extra={"step": now, "event": "failed"})
        raise
    log.info(
        "step ended step=%s cached=%s seconds=%.1f note=%s",
        *(name, now.cached, now.seconds, now.note),
        extra={"step": now, "event": "ended"},
    )


class StepConsole(logging.Handler):
    """Draws the steps of this process with rich: a spinner with the latest line, then a result."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        from rich.console import Console

        self.console = Console(stderr=True, highlight=False)
        self.console.soft_wrap = not self.console.is_terminal
        self._status = self.console.status("")
        self._label = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one log record."""
        current: Step | None = getattr(record, "step", None)
        if current is None:
            if record.levelno >= logging.WARNING:
                self.console.print(Text.assemble("  ", ("!", "yellow"), f" {record.getMessage()}"))
            elif self._label and self.console.is_terminal:
                room = max(self.console.width - _BESIDE_LINE, 1)
                line = record.getMessage()[-room:]
                self._status.update(Text.assemble((self._label, "bold"), " ", (line, "dim")))
            elif self._label and _PROGRESS in record.getMessage():
                line = record.getMessage().partition(_PROGRESS)[2]
                self.console.print(Text(f"    {self._label} {line}", "dim"), soft_wrap=True)
            return
        event = getattr(record, "event", "")
        if event == "started":
            self._label = f"{current.name:<10}"
            if self.console.is_terminal:
                self._status.update(Text(self._label, "bold"))
                self._status.start()
            return
        self._status.stop()
        self._label = ""
        outcome = "failed" if event == "failed" else "cached" if current.cached else "ran"
        took = "up to date" if current.cached else f"{current.seconds:.1f} s"
        note = f"  {current.note}" if current.note else ""
        result = Text.assemble(
            "  ", _SIGNS[outcome], f" {current.name:<10} {took:>10}", (note, "dim")
        )
        self.console.print(result, soft_wrap=True)


@contextmanager
def show_steps() -> Iterator[StepConsole]:
    """Draw this process's steps on the terminal while the block runs."""
    handler = StepConsole()
    loggers = [logging.getLogger(name) for name in ("flows", "components")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield handler
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate

"""The pages of the worker: health, gauges in Prometheus' format, and the monitor's page."""

import time
from collections.abc import Callable, Mapping, Sequence

from components.monitoring.gauges import render_gauges
from components.monitoring.snapshot import read_last
from components.paths import Workspace
from flows.worker_http import Answer

# So long a server may be silent before the worker says that it is out of order.
_PATIENCE_SECONDS = 60.0


class Pulse:
    """When something last went well, on the monotonic clock."""

    def __init__(self, last: Callable[[], float] | None = None) -> None:
        self._beaten = time.monotonic()
        self._last = last or (lambda: self._beaten)

    def beat(self) -> None:
        """Say that all is well."""
        self._beaten = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """How long ago that was."""
        return time.monotonic() - self._last()

    @property
    def is_alive(self) -> bool:
        """Whether that was lately."""
        return self.silent_seconds < _PATIENCE_SECONDS


def make_pages(
    workspace: Workspace,
    form: str,
    pulses: Sequence[Pulse],
    say_more: Callable[[], str] = lambda: "",
) -> Mapping[str, Callable[[], Answer]]:
    """Return what is answered to GET, by path; any other address leads to the form.

    `say_more` follows the good word of health, in a line of its own.
    """

    def health() -> Answer:
        is_well = all(pulse.is_alive for pulse in pulses)
        if not is_well:
            return Answer(503, b"Prefect or MLflow is silent\n")
        return Answer(200, "".join(f"{line}\n" for line in ("ok", say_more()) if line).encode())

    def metrics() -> Answer:
        lines = [
            "# HELP beholder_worker_up Whether the worker hears of Prefect and MLflow.",
            "# TYPE beholder_worker_up gauge",
            f"beholder_worker_up {int(all(pulse.is_alive for pulse in pulses))}",
            "",
        ]
        body = "\n".join(lines).encode() + render_gauges(read_last(workspace))
        return Answer(200, body, "text/plain; version=0.0.4; charset=utf-8")

    def monitor() -> Answer:
        page = workspace.monitor / "monitor.html"
        if not page.is_file():
            return Answer(404, b"nothing was looked at yet; run 'beholder monitor'\n")
        return Answer(200, page.read_bytes(), "text/html; charset=utf-8")

    return {
        "/health": health,
        "/metrics": metrics,
        "/monitor": monitor,
        "*": lambda: Answer(302, location=form),
    }

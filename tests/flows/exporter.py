"""`python -m tests.flows.exporter WORKSPACE EVENT`: export feedback, and die at an event.

Events are files opened for writing, renamed or removed, processes started, and, the last one,
the moment after the batch is in and before the log notes that. `0` dies at none and prints how
many there were; `-1` dies at the last one.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

WATCHED = ("os.rename", "os.remove", "os.mkdir", "os.link", "subprocess.Popen")


def main() -> None:
    from components.feedback.log import FeedbackLog
    from components.paths import Workspace
    from flows.environment import enter
    from flows.feedback import export_and_show

    deadly = int(sys.argv[2])
    workspace = Workspace(Path(sys.argv[1]))
    enter(workspace)
    count = 0

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
        if is_write or event in WATCHED:
            count += 1
            if count == deadly:
                die()

    end_export = FeedbackLog.end_export

    def end_or_die(log: FeedbackLog, number: int, batch_id: str) -> None:
        if deadly == -1:
            die()
        end_export(log, number, batch_id)

    FeedbackLog.end_export = end_or_die  # type: ignore[method-assign]
    sys.addaudithook(audit)
    export_and_show(workspace)
    print("events", count)


if __name__ == "__main__":
    main()

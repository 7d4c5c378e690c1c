"""Tells what every Python process took that starts with this folder in PYTHONPATH, as it ends.

One JSON line a process in $BENCHMARK_CLOCK: its arguments, when it began and ended (seconds since
1970), and the processor time of its own, without that of its children. The command `beholder` tells
of each step that it shows, too.
"""

import atexit
import json
import logging
import os
import resource
import sys
import time
from pathlib import Path


def tell(**told: object) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    descriptor = os.open(os.environ["BENCHMARK_CLOCK"], flags)
    os.write(descriptor, json.dumps(told).encode() + b"\n")
    os.close(descriptor)


def tell_process() -> None:
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age = float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    own, now = resource.getrusage(resource.RUSAGE_SELF), time.time()
    cpu = own.ru_utime + own.ru_stime
    tell(arguments=sys.orig_argv[1:], pid=os.getpid(), began=now - age, ended=now, cpu=cpu)


class Steps(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        step, event = getattr(record, "step", None), getattr(record, "event", "")
        if step is not None and event != "started":
            tell(step=step.name, began=time.time() - step.seconds, ended=time.time())


if "BENCHMARK_CLOCK" in os.environ:
    atexit.register(tell_process)
    if any(argument.endswith("/beholder") for argument in sys.orig_argv):
        logging.getLogger("flows").addHandler(Steps(logging.INFO))

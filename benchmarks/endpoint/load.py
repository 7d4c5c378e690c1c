"""A load of POST requests on one address, in a process of its own.

    python benchmarks/endpoint/load.py URL BODIES --rate 200 --seconds 10
    python benchmarks/endpoint/load.py URL BODIES --callers 16 --seconds 10

BODIES is a file with a JSON body a line. With `--rate` the load is open: requests are sent at
their time whatever became of those before, by as many connections as that takes, and a latency
counts from the time that was planned, so that no stall hides behind the requests that it held up.
With `--callers` it is closed: each caller sends when it has its answer. Prints JSON.
"""

import argparse
import asyncio
import json
import time
from collections import Counter, deque
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import uvloop

# Who waits longer has gone away.
_DEADLINE = 1.0
_GRACE = 5.0
_CONNECTIONS = 2000


class Caller(asyncio.Protocol):
    """One connection, kept alive, with one request on its way at most."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.buffer = b""
        self.planned = 0.0
        self.is_asking = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, planned: float) -> None:
        self.planned, self.is_asking = planned, True
        self.transport.write(next(self.load.requests))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        start = head.find(b"content-length:")
        length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        status = int(self.buffer[9:12])
        self.buffer = b""
        self.is_asking = False
        self.load.note(status, time.perf_counter() - self.planned)
        if b"connection: close" in head:
            self.transport.close()
        else:
            self.load.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self.is_asking:
            self.is_asking = False
            self.load.note(0, time.perf_counter() - self.planned)
        self.load.lose(self)


class Load:
    """What was sent and what came back."""

    def __init__(self, url: str, bodies: list[bytes], callers: int | None) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname, parts.port
        self.requests = cycle([_request(parts.path, parts.netloc, body) for body in bodies])
        self.callers = callers
        self.idle: deque[Caller] = deque()
        self.open = 0
        self.sent = 0
        self.ends = 0.0
        self.begins = 0.0
        self.told: list[tuple[int, float]] = []

    async def run_open(self, rate: float, seconds: float) -> None:
        count = int(rate * seconds)
        gaps = np.random.default_rng(0).exponential(1 / rate, count)
        times = time.perf_counter() + 0.1 + np.cumsum(gaps)
        for planned in times:
            while (left := planned - time.perf_counter()) > 0:
                await asyncio.sleep(left if left > 0.001 else 0)
            self.sent += 1
            self._send(float(planned))
            if self.sent % 64 == 0:
                await asyncio.sleep(0)
        until = time.perf_counter() + _GRACE
        while len(self.told) < self.sent and time.perf_counter() < until:
            await asyncio.sleep(0.01)

    async def run_closed(self, callers: int, seconds: float) -> None:
        self.begins = time.perf_counter()
        self.ends = self.begins + seconds
        for _ in range(callers):
            self._send(time.perf_counter())
        await asyncio.sleep(seconds + 0.5)

    def _send(self, planned: float) -> None:
        while self.idle:
            caller = self.idle.pop()
            if not caller.transport.is_closing():
                caller.ask(planned)
                return
        if self.open >= _CONNECTIONS:
            self.note(0, 0.0)
            return
        self.open += 1
        asyncio.get_running_loop().create_task(self._connect(planned))

    async def _connect(self, planned: float) -> None:
        try:
            _, caller = await asyncio.get_running_loop().create_connection(
                lambda: Caller(self), self.host, self.port
            )
        except OSError:
            self.open -= 1
            self.note(0, time.perf_counter() - planned)
            return
        caller.ask(planned)

    def note(self, status: int, seconds: float) -> None:
        self.told.append((status, seconds))

    def free(self, caller: Caller) -> None:
        if self.callers is None:
            self.idle.append(caller)
        elif (now := time.perf_counter()) < self.ends:
            caller.ask(now)

    def lose(self, caller: Caller) -> None:
        self.open -= 1
        if self.callers is not None and (now := time.perf_counter()) < self.ends:
            self._send(now)


def _request(path: str, host: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def summarise(load: Load, seconds: float) -> dict[str, object]:
    statuses = Counter(status for status, _ in load.told)
    good = np.array([taken for status, taken in load.told if status == 200] or [np.nan])
    busy = np.array([taken for status, taken in load.told if status == 429] or [np.nan])
    p50, p95, p99 = (1000 * np.percentile(good, [50, 95, 99])).tolist()
    return {
        "goodput": float((good <= _DEADLINE).sum()) / seconds,
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "busy_p99_ms": float(1000 * np.percentile(busy, 99)),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "unanswered": load.sent - len(load.told) if load.callers is None else 0,
    }


async def _run(arguments: argparse.Namespace) -> dict[str, object]:
    bodies = Path(arguments.bodies).read_bytes().splitlines()
    load = Load(arguments.url, bodies, arguments.callers)
    if arguments.rate is not None:
        await load.run_open(arguments.rate, arguments.seconds)
    else:
        await load.run_closed(arguments.callers, arguments.seconds)
    return summarise(load, arguments.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("bodies")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--rate", type=float, help="requests a second")
    kind.add_argument("--callers", type=int, help="connections that ask one after the other")
    parser.add_argument("--seconds", type=float, default=10.0)
    print(json.dumps(uvloop.run(_run(parser.parse_args()))))


if __name__ == "__main__":
    main()

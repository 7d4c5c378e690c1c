"""Our endpoint beside bare FastAPI, LitServe and a stock Bento, all with the same model code.

    python benchmarks/serving.py SERVED [--items 100000] [--rounds 3] [--seconds 8]

SERVED is the served bundle of a workspace, `models/served`; it is grown to that many items, mixed
of its own. Each server has one worker and one thread; the load comes from a process of its
own. In every round every server is started anew and asked in turn, so that what slows the machine
down slows all of them. Ends by itself.

Measured of each: answers a second to 16 callers (closed loop); p50, p95 and p99 at 200 requests a
second (open loop, from the planned time); and of ours what comes back at four times its peak.
"""

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from components.packaging.server import serve_command, serve_environment

HERE = Path(__file__).parent / "endpoint"
CALLERS, RATE, OVERLOAD = 16, 200.0, 4.0
READY_SECONDS = 120.0
SERVERS = ("ours", "bare FastAPI", "LitServe", "stock Bento")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("served", type=Path, help="the served bundle of a workspace")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--servers", nargs="+", default=SERVERS, choices=SERVERS)
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="beholder-serving-") as scratch:
        folder = Path(scratch)
        command = [sys.executable, str(HERE / "grow.py"), str(arguments.served), str(folder)]
        subprocess.run([*command, "--items", str(arguments.items)], check=True)
        bento, bodies = folder / "bento", folder / "bodies.jsonl"
        rounds = [
            {
                name: measure(name, bento, folder, bodies, arguments.seconds)
                for name in arguments.servers
            }
            for _ in range(arguments.rounds)
        ]
    tell(rounds)


def measure(name: str, bento: Path, folder: Path, bodies: Path, seconds: float) -> dict[str, Any]:
    with serve(name, bento, folder) as url:
        ask(url, bodies, "--callers", CALLERS, 2)
        closed = ask(url, bodies, "--callers", CALLERS, seconds)
        steady = ask(url, bodies, "--rate", RATE, seconds)
        found = {"peak": closed["goodput"], **steady}
        if name == "ours":
            over = ask(url, bodies, "--rate", OVERLOAD * closed["goodput"], seconds)
            found["overload"] = over
            found["kept"] = over["goodput"] / closed["goodput"]
    print(name, json.dumps(found), flush=True)
    return found


def ask(url: str, bodies: Path, how: str, much: float, seconds: float) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "load.py"), f"{url}/recommend", str(bodies)]
    command += [how, str(much), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@contextmanager
def serve(name: str, bento: Path, folder: Path) -> Iterator[str]:
    """Start a server, and yield its address when it is ready."""
    port = find_port()
    settings = {
        "RELEASE": str(bento),
        "PORT": str(port),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "BEHOLDER_FEEDBACK_URL": f"sqlite:///{folder / 'feedback.db'}",
    }
    command = [sys.executable, str(HERE / "peers" / "bare_fastapi.py")]
    if name == "LitServe":
        command[-1] = str(HERE / "peers" / "litserve_peer.py")
    elif name == "stock Bento":
        command[1:] = ["-m", "bentoml", "serve", "stock_bento:Stock", "--port", str(port)]
        command += ["--host", "127.0.0.1", "--working-dir", str(HERE / "peers")]
    elif name == "ours":
        settings |= serve_environment(bento, folder / "home", settings=settings)
        command = serve_command(bento, "127.0.0.1", port, 1)
    log = folder / "server.log"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            command,
            stdout=stream,
            stderr=stream,
            env={**os.environ, **settings},
            start_new_session=True,
        )
        try:
            await_ready(f"http://127.0.0.1:{port}", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(30)
            finally:  # some leave workers behind
                end_group(server.pid)


def end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def await_ready(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            answer = httpx.post(f"{url}/recommend", json={"k": 1}, timeout=5, trust_env=False)
            if answer.status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"the server does not answer:\n{log.read_text()[-3000:]}")


def find_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def tell(rounds: list[Mapping[str, dict[str, Any]]]) -> None:
    names = list(rounds[0])
    print("\n| | peak, answers/s | p50 ms at 200/s | p95 | p99 |\n|---|---|---|---|---|")
    for name in names:
        peak, p50, p95, p99 = (
            statistics.median(one[name][key] for one in rounds)
            for key in ("peak", "p50_ms", "p95_ms", "p99_ms")
        )
        print(f"| {name} | {peak:.0f} | {p50:.2f} | {p95:.2f} | {p99:.2f} |")
    if "ours" not in names:
        return
    for name in names[1:]:
        for key, what in (("peak", "peak"), ("p99_ms", "p99")):
            ratios = [one["ours"][key] / one[name][key] for one in rounds]
            told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"{what}, ours over {name}: {statistics.median(ratios):.2f} ({told})")
    kept = [one["ours"]["kept"] for one in rounds]
    print(
        f"goodput kept at {OVERLOAD:g} times the peak: {statistics.median(kept):.0%} "
        f"({', '.join(f'{share:.0%}' for share in kept)}); refusals' p99 "
        f"{statistics.median(one['ours']['overload']['busy_p99_ms'] for one in rounds):.0f} ms; "
        f"statuses {[one['ours']['overload']['statuses'] for one in rounds]}"
    )


if __name__ == "__main__":
    main()

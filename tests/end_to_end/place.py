"""A workspace of an end-to-end test, and the command line standing in it as a person's would."""

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from components.data.demo import Demo
from components.paths import Workspace

BEHOLDER = str(Path(sys.executable).with_name("beholder"))


@dataclass(frozen=True)
class Place:
    """A workspace and the drawn world that it began with, where a test goes on drawing it."""

    workspace: Workspace
    drawn: Demo | None = None
    patience: float = 400  # seconds for one command

    @property
    def environment(self) -> dict[str, str]:
        leave_out = ("BEHOLDER_", "MLFLOW_TRACKING_URI", "PREFECT_API_URL")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(leave_out)}
        folder = str(Path(sys.executable).parent)
        path = os.pathsep.join([folder, kept["PATH"]])
        # Where several workers matter, a test of its own starts them.
        return {**kept, "PATH": path, "BEHOLDER_ENDPOINT_WORKERS": "1"}

    def run(self, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run `beholder ARGUMENTS` in the workspace and insist on its exit code."""
        return self.execute(BEHOLDER, *arguments, code=code)

    def execute(self, *command: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        ended = subprocess.run(
            command,
            cwd=self.workspace.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=self.patience,
        )
        assert ended.returncode == code, f"{command}: {ended.stdout}\n{ended.stderr}"
        return ended

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `beholder ARGUMENTS` as the leader of a process group of its own."""
        return subprocess.Popen(
            [BEHOLDER, *arguments],
            cwd=self.workspace.root,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def set_params(self, section: str, **changes: Any) -> None:
        """Change parameters as a person would, in params.yaml."""
        content = yaml.safe_load(self.workspace.params.read_text())
        place = content
        for name in section.split("."):
            place = place[name]
        place.update(changes)
        self.workspace.params.write_text(yaml.safe_dump(content, sort_keys=False))

    def ports(self) -> dict[str, int]:
        """Return the port of each service that was started."""
        content = json.loads((self.workspace.run / "services/ports.json").read_text())
        return {name: entry["port"] for name, entry in content.items()}

    def count_runs(self) -> int:
        """Return how many runs MLflow knows."""
        with sqlite3.connect(self.workspace.state / "mlflow.db") as store:
            return int(store.execute("select count(*) from runs").fetchone()[0])

    def flow_states(self) -> list[str]:
        """Return the states of the flow runs, newest first."""
        api = f"http://127.0.0.1:{self.ports()['prefect']}/api"
        token = httpx.get(f"{api}/csrf-token", params={"client": "test"}, timeout=30).json()[
            "token"
        ]
        answer = httpx.post(
            f"{api}/flow_runs/filter",
            json={"sort": "START_TIME_DESC"},
            headers={"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "test"},
            timeout=30,
        )
        return [run["state_name"] for run in answer.raise_for_status().json()]

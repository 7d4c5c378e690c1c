"""`python -m components STEP`: run one step of the pipeline in the workspace that we stand in."""

import argparse
import importlib
import logging
import os
import sys
import time
from pathlib import Path

from components.costs import measure_process, write_cost
from components.errors import BeholderError
from components.files import write_json
from components.locking import die_with_parent, hold_step_lock
from components.params import load_params
from components.paths import Workspace, find_workspace
from components.settings import TELEMETRY_OFF, load_settings

# Each names a function of (workspace, params, settings).
STEPS = {
    "validate": "components.validation.step:validate",
    "split": "components.data.split:split",
    "embed": "components.features.step:embed",
    "train": "components.training.step:train",
    "evaluate": "components.evaluation.step:evaluate",
    "refit": "components.training.refit:refit",
}

log = logging.getLogger("components")


def main(arguments: list[str] | None = None) -> int:
    """Run one step; return 0, or 1 after an expected failure told in one line."""
    parser = argparse.ArgumentParser(prog="python -m components", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    step: str = parser.parse_args(arguments).step
    die_with_parent()
    os.environ.update(TELEMETRY_OFF)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s %(message)s")
    workspace = None
    try:
        workspace = find_workspace(Path.cwd())
        workspace.step_error.unlink(missing_ok=True)
        run_step(step, workspace)
    except BeholderError as error:
        print(f"{step}: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        if workspace is not None:
            write_json(workspace.step_error, {"step": step, "message": str(error)})
        return 1
    return 0


def run_step(step: str, workspace: Workspace) -> None:
    """Run one step in a workspace, alone."""
    started = time.monotonic()
    params = load_params(workspace.params)
    with hold_step_lock(workspace.run):
        log.info("step started step=%s", step)
        module, function = STEPS[step].split(":")
        getattr(importlib.import_module(module), function)(workspace, params, load_settings())
        write_cost(workspace, step, measure_process())
        log.info("step ended step=%s seconds=%.1f", step, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.torture.reader WORKSPACE STOP`: load the champion again and again.

Prints a line each time: the champion's number, `none`, or `bad` and why. Ends when STOP exists.
"""

import sys
import time
from pathlib import Path

import numpy as np


def main() -> None:
    from components.errors import BeholderError
    from components.models.bundle import load_bundle
    from components.models.predictor import Predictor
    from components.packaging.release import verify_release
    from components.paths import Workspace
    from components.promotion.artifacts import verify_artifacts
    from components.promotion.registry import Registry
    from components.promotion.store import Store

    workspace, stop = Workspace(Path(sys.argv[1])), Path(sys.argv[2])
    uri = f"sqlite:///{workspace.state / 'mlflow.db'}"
    registry, store = Registry(uri, "beholder"), Store(uri)
    while not stop.exists():
        time.sleep(0.02)  # so that it leaves the others a share of the processor
        try:
            champion = registry.champion()
            if champion is None:
                print("none", flush=True)
                continue
            verify_artifacts(store, champion.location, champion.digest)
            verify_release(workspace.bentos / str(champion.number))
            predictor = Predictor(load_bundle(Path(champion.location) / "artifacts/served"))
            assert np.isfinite(predictor.predict(["u0", "nobody"], ["i0", "i1"])).all()
            print(champion.number, flush=True)
        except (BeholderError, OSError, AssertionError) as error:
            print(f"bad {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()

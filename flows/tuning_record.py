"""MLflow's record of a search: a run of the search, with a child run a trial."""

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.errors import ServiceError
from components.files import hash_json
from components.params import Params
from components.paths import Workspace
from components.settings import load_settings
from components.tuning.spaces import Space
from flows.data_versions import read_data_versions
from flows.tracking import End, TrackedRun, open_run, store_address

if TYPE_CHECKING:
    from mlflow.entities import Run

    from components.tuning.choice import Choice
    from components.tuning.study import Tried

EXPERIMENT = "beholder tune"
STUDY_TAG, TRIAL_TAG = "beholder.study", "beholder.trial"

_PARENT_TAG = "mlflow.parentRunId"  # the name by which MLflow's UI nests runs
_RUNS_AT_ONCE = 1000
_ENDS: dict[str, End] = {"complete": "FINISHED", "pruned": "KILLED", "diverged": "FAILED"}

log = logging.getLogger(__name__)


class StudyRecord:
    """One search in MLflow; every trial of a study has one child run, below whoever ran it."""

    def __init__(self, run: TrackedRun, study: str) -> None:
        self._run, self._study = run, study
        self._ended, self._begun = self._find_children()

    def log_soon(self, tried: "Sequence[Tried]") -> None:
        """Log the trials that are not logged yet; a store that does not answer is asked later."""
        try:
            self.log(tried)
        except ServiceError as error:
            log.warning("trials not logged yet why=%s", error)

    def log(self, tried: "Sequence[Tried]") -> None:
        """Log the trials that are not logged yet, each as a child run."""
        for trial in tried:
            if trial.number not in self._ended:
                self._log_trial(trial)
                self._ended.add(trial.number)

    def log_choice(self, family: str, choice: "Choice") -> None:
        """Log the best values as parameters of the search's run, and what they are worth."""
        metrics: dict[str, Any] = {"present": {"rmse": choice.present.rmse}}
        if choice.best is not None:
            best = {f"best.{name}": value for name, value in choice.best.values.items()}
            self._run.log_values(best)
            metrics["best"] = {"rmse": choice.best.rmse}
        if choice.gain is not None:
            metrics["gain"] = vars(choice.gain)
        self._run.log_metrics(metrics)
        self._run.set_tags(
            {"beholder.is_better": str(choice.is_better), "beholder.reason": choice.reason}
        )

    def end(self, how: End) -> None:
        """End the search's run."""
        self._run.end(how)

    def _find_children(self) -> "tuple[set[int], dict[int, Run]]":
        """Return the trials whose runs have ended, and the runs that a kill left begun."""
        found = self._run.store.ask(
            "look for trials",
            lambda client: client.search_runs(
                [self._run.experiment_id],
                filter_string=f"tags.`{STUDY_TAG}` = '{self._study}'",
                max_results=_RUNS_AT_ONCE,
            ),
        )
        by_trial = {int(run.data.tags[TRIAL_TAG]): run for run in found}
        begun = {n: run for n, run in by_trial.items() if run.info.status == "RUNNING"}
        return by_trial.keys() - begun.keys(), begun

    def _log_trial(self, trial: "Tried") -> None:
        from mlflow.entities import Metric, Param

        store, now = self._run.store, int(1000 * time.time())
        run = self._begun.get(trial.number) or store.ask(
            "create a trial's run",
            lambda client: client.create_run(
                self._run.experiment_id,
                run_name=f"trial {trial.number}",
                tags={
                    _PARENT_TAG: self._run.run_id,
                    STUDY_TAG: self._study,
                    TRIAL_TAG: str(trial.number),
                    "beholder.outcome": trial.outcome,
                },
            ),
        )
        numbers = {"rmse": trial.rmse, "epochs": trial.epochs, "seconds": trial.seconds}
        store.ask(
            "log a trial",
            lambda client: client.log_batch(
                run.info.run_id,
                metrics=[
                    Metric(name, float(value), now, 0)
                    for name, value in numbers.items()
                    if value is not None
                ],
                params=[Param(name, str(value)) for name, value in trial.values.items()],
            ),
        )
        end = _ENDS[trial.outcome]
        store.ask("end a trial", lambda client: client.set_terminated(run.info.run_id, end))


def open_record(
    workspace: Workspace, family: str, params: Params, space: Space, study: str
) -> StudyRecord:
    """Open the run of a search, or go on with the one of the same study that a kill cut off."""
    tags = {
        "beholder.workspace": workspace.root.name,
        "beholder.searched": ", ".join(space),
    }
    address = store_address(workspace, load_settings())
    # Other present values make another run: what a run logged of params.yaml never changes.
    key = hash_json({"study": study, "params": params.model_dump(mode="json")})
    run = open_run(address, EXPERIMENT, f"tune {family}", tags, key=key)
    run.log_params(params)
    run.log_datasets(read_data_versions(workspace))
    return StudyRecord(run, study)

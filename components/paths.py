"""Every file that a step reads or writes, named once, relative to a workspace."""

from dataclasses import dataclass
from pathlib import Path

from components.errors import WorkspaceError

STATE = ".beholder"


@dataclass(frozen=True)
class Workspace:
    """A directory with its own git, DVC, params.yaml, dvc.yaml and data."""

    root: Path

    # What a person edits or commits.
    @property
    def params(self) -> Path:
        """Every number that changes a result."""
        return self.root / "params.yaml"

    @property
    def pipeline(self) -> Path:
        """The file-to-file steps."""
        return self.root / "dvc.yaml"

    @property
    def lock(self) -> Path:
        """What DVC saw when each step last ran."""
        return self.root / "dvc.lock"

    @property
    def code(self) -> Path:
        """One digest a step over the source that it imports."""
        return self.root / "code.yaml"

    @property
    def prefect_yaml(self) -> Path:
        """The deployments for a work pool of Prefect's, where one shall run them."""
        return self.root / "prefect.yaml"

    # Data, in the order in which it flows.
    @property
    def batch_list(self) -> Path:
        """The ordered list of batches (id, sha256, counts)."""
        return self.root / "data/batches.json"

    @property
    def batches(self) -> Path:
        """One immutable folder a batch, each with a DVC file beside it."""
        return self.root / "data/raw/batches"

    @property
    def accepted(self) -> Path:
        """ratings.parquet, items.parquet, images.parquet: what later steps read."""
        return self.root / "data/accepted"

    @property
    def quarantine(self) -> Path:
        """ratings.parquet, items.parquet, images.parquet: refused rows, a reason each."""
        return self.root / "data/quarantine"

    @property
    def split(self) -> Path:
        """train.parquet (with a `valid` flag) and test.parquet."""
        return self.root / "data/split"

    @property
    def embeddings(self) -> Path:
        """vectors.safetensors, images.parquet and encoder/: every accepted image, encoded."""
        return self.root / "data/embeddings"

    # Models and what was found out about them.
    @property
    def evaluation_bundle(self) -> Path:
        """Learnt from the train rows only; what comparisons read."""
        return self.root / "models/evaluation"

    @property
    def ladder(self) -> Path:
        """One bundle a rung: mean, popularity, rules, biases."""
        return self.root / "models/ladder"

    @property
    def served_bundle(self) -> Path:
        """Learnt from all rows; what is packaged and answers."""
        return self.root / "models/served"

    @property
    def validation_report(self) -> Path:
        """summary.json, results.json and docs/ (Great Expectations' Data Docs)."""
        return self.root / "reports/validation"

    @property
    def split_report(self) -> Path:
        """Counts and cutoff of the split."""
        return self.root / "reports/split.json"

    @property
    def embedding_report(self) -> Path:
        """Images, dimensions and encoder."""
        return self.root / "reports/embeddings.json"

    @property
    def training_report(self) -> Path:
        """training.json and history.csv."""
        return self.root / "reports/training"

    @property
    def evaluation_report(self) -> Path:
        """metrics.json, predictions.parquet, the plots' tables and report.html."""
        return self.root / "reports/evaluation"

    @property
    def refit_report(self) -> Path:
        """Rows and epochs of the served bundle."""
        return self.root / "reports/refit.json"

    # What is no result: caches that survive DVC, processes, local servers' state.
    @property
    def state(self) -> Path:
        """Everything of this machine's own."""
        return self.root / STATE

    @property
    def cache(self) -> Path:
        """Keyed by content, outside DVC: embeddings, image verdicts, thumbnails, checkpoints."""
        return self.state / "cache"

    @property
    def pictures(self) -> Path:
        """Small copies of the items' pictures, for the endpoint to show."""
        return self.cache / "pictures"

    @property
    def dvc_state(self) -> Path:
        """DVC's site cache of this workspace, whoever calls it: us or a person."""
        return self.state / "dvc"

    @property
    def run(self) -> Path:
        """Locks, logs, process ids and the live training history."""
        return self.state / "run"

    @property
    def step_error(self) -> Path:
        """What the last step that failed said, for whoever started it."""
        return self.run / "step-error.json"

    def step_cost(self, step: str) -> Path:
        """What a step's last run cost this machine, for whoever started it."""
        return self.run / "costs" / f"{step}.json"

    @property
    def live_history(self) -> Path:
        """One JSON line an epoch while `train` runs; the flow tails it into MLflow."""
        return self.run / "train.jsonl"

    @property
    def work_lock(self) -> Path:
        """Held by whoever trains: a retraining, a search of parameters, a comparison."""
        return self.run / "retrain.lock"

    @property
    def tuning(self) -> Path:
        """One file a search of parameters: every trial so far."""
        return self.state / "tuning"

    @property
    def comparison_report(self) -> Path:
        """comparison.json, table.csv and report.html of the last `beholder compare`."""
        return self.root / "reports/compare"

    @property
    def catalogue(self) -> Path:
        """The accepted items of the last refresh, and what they change about each bundle."""
        return self.state / "catalogue"

    @property
    def bentos(self) -> Path:
        """One finished Bento a registered version."""
        return self.state / "bentos"

    @property
    def keys(self) -> Path:
        """The endpoint's API keys, by their hashes."""
        return self.state / "keys.json"

    @property
    def credentials(self) -> Path:
        """The passwords and keys that our own servers know each other by; its owner's alone."""
        return self.state / "credentials.json"

    @property
    def receiver(self) -> Path:
        """Who is told what happened, by a secret URL; its owner's alone."""
        return self.state / "notify.json"

    @property
    def notices(self) -> Path:
        """What people are to be told, and what they were: a SQLite file."""
        return self.state / "notices.db"

    @property
    def deliveries(self) -> Path:
        """What became of the last call to whoever is told."""
        return self.run / "notified.json"

    @property
    def triggers(self) -> Path:
        """Who asked for which retraining, and what became of it: a SQLite file."""
        return self.state / "triggers.db"

    @property
    def feedback(self) -> Path:
        """What users did, as the endpoint was told: a SQLite file that nothing else can replace."""
        return self.state / "feedback.db"

    @property
    def answers(self) -> Path:
        """What the endpoint answered in the last weeks, by request id: a SQLite file."""
        return self.state / "answers.db"

    @property
    def monitor(self) -> Path:
        """What looks at the service have found: snapshots, the page, what versions promised."""
        return self.state / "monitor"


def find_workspace(start: Path) -> Workspace:
    """Return the workspace that `start` lies in, searching upward.

    Raises WorkspaceError if there is none up to the root.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / ".dvc").is_dir() and (folder / "params.yaml").is_file():
            return Workspace(folder)
    raise WorkspaceError(
        f"no workspace in {start} or above it; run 'beholder init DIR' to make one"
    )

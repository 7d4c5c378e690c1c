"""Logging both bundles as one MLflow model that runs from code: safetensors inside, no pickle."""

import importlib.metadata
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import components
from components.errors import CorruptFileError
from components.promotion.artifacts import EVALUATION, SERVED, Bundles, verify_artifacts
from components.promotion.store import Store

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

MODEL_NAME = "ratings"
DIGEST_TAG = "beholder.digest"

# What the model imports when it answers; each is pinned to what is installed here.
_REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow", "safetensors")
_ROOTS = ("components.models.bundle", "components.models.predictor")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Logged:
    """A model whose artifacts MLflow holds: its id there, its place, and both bundles' digest."""

    model_id: str
    run_id: str
    location: str
    digest: str


def log_bundles(store: Store, run_id: str, bundles: Bundles, tags: Mapping[str, str]) -> Logged:
    """Log both bundles as one model of a run; the same bundles again give the same model.

    A log that was killed half-way is taken up again. Raises CorruptFileError if a byte of the
    bundles is not as it was written.
    """
    digest = bundles.verify()
    run = store.ask("find the run", lambda client: client.get_run(run_id))
    experiment_id = run.info.experiment_id
    model = _find_complete(store, experiment_id, digest)
    if model is None:
        model = _open(store, experiment_id, run_id, digest, tags)
        model_id = model.model_id
        _upload(store, model, bundles)
        store.ask(
            "finish the model", lambda client: client.finalize_logged_model(model_id, "READY")
        )
    outputs = run.outputs.model_outputs if run.outputs else []
    if model.model_id not in {output.model_id for output in outputs}:
        _link(store, run_id, model.model_id)
    log.info("model logged model_id=%s digest=%s", model.model_id, digest)
    return Logged(model.model_id, model.source_run_id, model.artifact_location, digest)


def _find_complete(store: Store, experiment_id: str, digest: str) -> "LoggedModel | None":
    found = _find(store, experiment_id, digest)
    return next((model for model in found if _is_complete(store, model, digest)), None)


def _find(store: Store, experiment_id: str, digest: str) -> "list[LoggedModel]":
    return list(
        store.ask(
            "look for the model",
            lambda client: client.search_logged_models(
                [experiment_id], filter_string=f"tags.`{DIGEST_TAG}` = '{digest}'"
            ),
        )
    )


def _is_complete(store: Store, model: "LoggedModel", digest: str) -> bool:
    if str(model.status) != "READY":
        return False
    try:
        verify_artifacts(store, model.artifact_location, digest)
    except CorruptFileError as error:
        log.warning("model damaged, logging it again model_id=%s why=%s", model.model_id, error)
        return False
    return True


def _open(
    store: Store, experiment_id: str, run_id: str, digest: str, tags: Mapping[str, str]
) -> "LoggedModel":
    """Return the run's unfinished model of this digest, or a new one."""
    for found in _find(store, experiment_id, digest):
        if str(found.status) == "PENDING" and found.source_run_id == run_id:
            return found
    return store.ask(
        "create the model",
        lambda client: client.create_logged_model(
            experiment_id,
            name=MODEL_NAME,
            source_run_id=run_id,
            tags={**tags, DIGEST_TAG: digest},
            model_type="recommender",
        ),
    )


def _upload(store: Store, model: "LoggedModel", bundles: Bundles) -> None:
    with tempfile.TemporaryDirectory(prefix="beholder-") as folder:
        saved = Path(folder) / "saved"
        _save(saved, Path(folder) / "stage", model, bundles)
        store.ask(
            "upload the model",
            lambda client: client.log_model_artifacts(model.model_id, str(saved)),
        )


def _save(saved: Path, stage: Path, model: "LoggedModel", bundles: Bundles) -> None:
    """Write the MLmodel folder: both bundles, the script, and the source that it stands on."""
    import mlflow
    import pandas as pd
    from mlflow.models import Model

    stage.mkdir()
    # MLflow names an artifact's folder after its source's, and follows no symbolic link. Only the
    # bytes are copied: DVC's files are read-only, and so could not be written over after a kill.
    for name, source in ((EVALUATION, bundles.evaluation), (SERVED, bundles.served)):
        shutil.copytree(source, stage / name, copy_function=shutil.copyfile)
    description = Model(
        run_id=model.source_run_id, model_id=model.model_id, artifact_path=model.artifact_location
    )
    mlflow.pyfunc.save_model(
        str(saved),
        python_model=str(Path(__file__).with_name("rating_model.py")),
        artifacts={name: str(stage / name) for name in (EVALUATION, SERVED)},
        code_paths=[str(_stage_source(stage))],
        signature=_signature(),
        input_example=pd.DataFrame({"user_id": ["any user"], "item_id": ["any item"]}),
        pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in _REQUIREMENTS],
        mlflow_model=description,
    )
    _forget_machine(saved, description)


def _signature() -> "ModelSignature":
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    return ModelSignature(
        Schema([ColSpec("string", "user_id"), ColSpec("string", "item_id")]),
        Schema([TensorSpec(np.dtype(np.float32), (-1,))]),
    )


def _stage_source(stage: Path) -> Path:
    """Copy the import closure of the model into `stage`, so that it answers without Beholder.

    Where Beholder is installed too, what is not in the copy is found there.
    """
    import grimp

    root = Path(components.__file__).parent
    graph = grimp.build_graph("components", cache_dir=None)
    modules = set(_ROOTS).union(*(graph.find_upstream_modules(name) for name in _ROOTS))
    target = stage / "components"
    target.mkdir()
    for name in sorted(modules):
        source = root.joinpath(*name.split(".")[1:])
        source = source / "__init__.py" if source.is_dir() else source.with_suffix(".py")
        copy = target / source.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        if copy.parent != target:
            shutil.copyfile(source.parent / "__init__.py", copy.parent / "__init__.py")
    (target / "__init__.py").write_text(
        '"""The part of Beholder that answers, frozen with its model."""\n\n'
        "from pkgutil import extend_path\n\n__path__ = extend_path(__path__, __name__)\n"
    )
    return target


def _forget_machine(saved: Path, description: Any) -> None:
    """Take the paths of this machine out of MLmodel; loading reads only the relative ones."""
    flavor = description.flavors["python_function"]
    for name, artifact in flavor["artifacts"].items():
        artifact["uri"] = name
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    description.save(str(saved / "MLmodel"))


def _link(store: Store, run_id: str, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput

    store.ask(
        "link the model to its run",
        lambda client: client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)]),
    )

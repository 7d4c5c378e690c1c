"""`beholder tune`: look for better options of a family on the valid rows, within a budget."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.data.workspace import find_template
from components.errors import ParameterError
from components.files import hash_json
from components.params import Params, load_params, write_values
from components.paths import Workspace
from components.settings import load_settings
from components.tuning.spaces import Space, Values, make_space, put_values, read_values
from flows.tuning_display import Display, print_choice, print_rest, print_space

if TYPE_CHECKING:
    from components.training.live_history import Epoch
    from components.training.trials import Material
    from components.tuning.choice import Choice
    from components.tuning.search import Fit, Hear, Limits
    from components.tuning.study import Study, Tried
    from flows.tuning_record import StudyRecord

_KEY_LENGTH = 16


@dataclass(frozen=True)
class Plan:
    """What shall be tuned: a family, its options as they stand, and where each is searched.

    `params` learn the family, whichever one params.yaml names.
    """

    family: str
    params: Params
    space: Space

    @property
    def present(self) -> Values:
        """Return what stands in params.yaml for each searched option."""
        return read_values(self.params.options, self.space)

    def with_values(self, values: Values) -> Params:
        """Return the parameters with other values."""
        return put_values(self.params, self.family, values)


def make_plan(path: Path, family: str | None) -> Plan:
    """Plan the tuning of a family, by default of the one that a params.yaml learns.

    Raises ParameterError for a family that does not exist or has no option to search.
    """
    params = load_params(path)
    family = family or params.train.family
    chosen = put_values(params, family, {})
    shipped = load_params(find_template() / "params.yaml")
    space = make_space(shipped.families.options(family), chosen.options)
    if not space:
        raise ParameterError(
            f"family {family!r} has no option to search; "
            "name another one with 'beholder tune --family FAMILY'"
        )
    return Plan(family, chosen, space)


def tune_and_show(
    workspace: Workspace, *, family: str | None, minutes: float, trials: int, dry_run: bool
) -> None:
    """Search, print every trial and what came of it, and write better values to params.yaml."""
    plan = make_plan(workspace.params, family)
    if dry_run:
        print_space(plan.family, plan.space, plan.present)
        return
    from components.tuning.search import Limits
    from flows.preparing import bring_up, hold_workspace, require_data

    require_data(workspace)
    with hold_workspace(workspace):
        bring_up(workspace)
        tune(workspace, plan, Limits(trials, 60 * minutes), Display.on_terminal())


def tune(workspace: Workspace, plan: Plan, limits: "Limits", display: Display) -> "Choice":
    """Search on what the steps up to `embed` left, and write the best values if they are better.

    Whoever calls it holds the workspace's lock. A search that was cut off goes on where it was.
    """
    from components.training.trials import read_material
    from components.tuning.search import search

    material = read_material(workspace, load_settings())
    key = _digest(plan, material)
    study = _open_study(workspace, plan, key)
    with _record(workspace, plan, key, limits) as record:
        display.begin(plan.family, plan.space, limits, material.ratings, study.tried())

        def on_tried(tried: "Tried") -> None:
            _forget(material, plan, tried.values)
            display.show(tried, study.tried())
            record.log_soon(study.tried())

        try:
            search(study, plan.present, _make_fit(material, plan), limits, on_tried)
            choice = _choose(material, plan, study.tried())
        except KeyboardInterrupt:
            display.interrupted(study.tried())
            raise
        record.log(study.tried())
        record.log_choice(plan.family, choice)
    is_written = _write(workspace, plan, choice)
    print_choice(plan.family, plan.space, choice, is_written=is_written)
    print_rest(study.tried(), limits)
    return choice


def _digest(plan: Plan, material: "Material") -> str:
    """Return the study's name: the same inputs, code, fixed options and space, the same study."""
    import torch

    options = plan.params.options.model_dump(mode="json")
    return hash_json(
        {
            "family": plan.family,
            "inputs": material.inputs,
            "data": plan.params.data.model_dump(mode="json"),
            "seed": plan.params.train.seed,
            "fixed": {name: value for name, value in options.items() if name not in plan.space},
            "space": {name: vars(searched) for name, searched in plan.space.items()},
            "device": material.device,
            "torch": str(torch.__version__),
        }
    )[:_KEY_LENGTH]


def _open_study(workspace: Workspace, plan: Plan, key: str) -> "Study":
    from components.family_params import Schedule
    from components.tuning.study import Study

    options = plan.params.options
    return Study(
        workspace.tuning / f"{plan.family}-{key}.jsonl",
        plan.space,
        seed=plan.params.train.seed,
        unjudged_epochs=options.patience if isinstance(options, Schedule) else 0,
    )


def _make_fit(material: "Material", plan: Plan) -> "Fit":
    from components.training.trials import search_epochs
    from components.tuning.search import Fitted

    def fit(values: Values, hear: "Hear") -> Fitted:
        def hear_epoch(epoch: "Epoch") -> None:
            if epoch.rmse is not None:
                hear(epoch.epoch, epoch.rmse)

        best = search_epochs(material, plan.with_values(values), hear_epoch)
        return Fitted(float("nan") if best.rmse is None else best.rmse, best.epoch)

    return fit


def _forget(material: "Material", plan: Plan, values: Values) -> None:
    from components.training.trials import forget

    forget(material, plan.with_values(values))


def _choose(material: "Material", plan: Plan, tried: "Sequence[Tried]") -> "Choice":
    """Compare the best trial with the present values on the valid rows, if there are two."""
    from components.evaluation.measurement import Truth
    from components.training.trials import rate_valid
    from components.tuning.choice import Choice
    from components.tuning.study import find_best, find_values

    present, best = find_values(tried, plan.present), find_best(tried)
    if present is None:
        raise AssertionError("the search tries the present values before it ends")
    if best is None or best.values == present.values or present.rmse is None:
        return Choice(present, best, None)
    rated = [
        rate_valid(material, plan.with_values(trial.values), trial.epochs or 0)
        for trial in (best, present)
    ]
    gain = Truth.of(material.valid).gain(rated[0], rated[1], plan.params.evaluate)
    return Choice(present, best, gain)


def _write(workspace: Workspace, plan: Plan, choice: "Choice") -> bool:
    """Write better values and say so, unless somebody has changed the options meanwhile."""
    now = load_params(workspace.params).families.options(plan.family)
    if not choice.is_better or choice.best is None or now != plan.params.options:
        return False
    write_values(
        workspace.params,
        {f"families.{plan.family}.{name}": value for name, value in choice.best.values.items()},
    )
    return True


@contextmanager
def _record(
    workspace: Workspace, plan: Plan, key: str, limits: "Limits"
) -> "Iterator[StudyRecord]":
    from flows.tuning_record import open_record

    record = open_record(workspace, plan.family, plan.params, plan.space, key)
    try:
        yield record
    except BaseException as error:
        record.end("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    record.end("FINISHED")

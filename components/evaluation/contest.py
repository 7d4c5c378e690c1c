"""Several models, each trained with several seeds, ranked on the same test rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluation.accuracy import mae, squared_errors
from components.evaluation.measurement import Truth
from components.models.catalogue import Floats
from components.params import Evaluate
from components.statistics import Interval, Reals, resample_rmse


@dataclass(frozen=True)
class Standing:
    """One model's place: `rmse` and `mae` are means over its seeds.

    The intervals resample users, the same ones for all models and seeds: they say how much
    depends on who was asked. `spread` is the standard deviation of the RMSE over the seeds
    (n − 1 below; None with one seed): it says how much depends on chance in training, and a gain
    of that size is none. `gain` is this model's RMSE less that of `rival`; below zero is better,
    None without a rival.
    """

    name: str
    seeds: int
    rmse: Interval
    mae: float
    spread: float | None
    rival: str | None
    gain: Interval | None


def rank_models(
    truth: Truth,
    predictions: Mapping[str, Sequence[Floats]],
    evaluate: Evaluate,
    reference: str | None = None,
) -> list[Standing]:
    """Return the models' standings, least RMSE first; ties by name, what is not finite last.

    `predictions` holds each model's ratings of the rows of `truth`, one array a seed. The rival is
    the `reference`, or else the best of the other models. Raises ValueError for a model without
    predictions, and KeyError for a reference that is no model.
    """
    empty = [name for name, runs in predictions.items() if not len(runs)]
    if empty:
        raise ValueError(f"{empty[0]} has no predictions")
    if reference is not None and reference not in predictions:
        raise KeyError(reference)
    runs = [run for each in predictions.values() for run in each]
    value_M, resampled_TM = resample_rmse(
        truth.users_N,
        [squared_errors(truth.ratings_N, run) for run in runs],
        draws=evaluate.bootstrap,
        seed=evaluate.seed,
    )
    ends = np.cumsum([len(each) for each in predictions.values()])[:-1]
    values = dict(zip(predictions, np.split(value_M, ends), strict=True))
    resampled = dict(zip(predictions, np.split(resampled_TM, ends, axis=1), strict=True))
    order = sorted(predictions, key=lambda name: _order(name, values[name]))

    def difference(name: str, rival: str) -> Interval:
        value = values[name].mean() - values[rival].mean()
        resampled_T = resampled[name].mean(1) - resampled[rival].mean(1)
        return Interval.of(value, resampled_T, evaluate.level)

    rivals = {name: _find_rival(name, order, reference) for name in order}
    return [
        Standing(
            name,
            len(values[name]),
            Interval.of(values[name].mean(), resampled[name].mean(1), evaluate.level),
            float(np.mean([mae(truth.ratings_N, run) for run in predictions[name]])),
            _spread(values[name]),
            rival,
            None if rival is None else difference(name, rival),
        )
        for name, rival in rivals.items()
    ]


def _order(name: str, value_S: Reals) -> tuple[bool, float, str]:
    value = float(value_S.mean())
    return (True, 0.0, name) if math.isnan(value) else (False, value, name)


def _find_rival(name: str, order: Sequence[str], reference: str | None) -> str | None:
    others = [other for other in order if other != name]
    if reference is not None:
        return None if name == reference else reference
    return others[0] if others else None


def _spread(value_S: Reals) -> float | None:
    return float(value_S.std(ddof=1)) if len(value_S) > 1 else None

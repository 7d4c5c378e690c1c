"""The training loop: epochs over shuffled rows, early stopping, and going on where it was killed.

Dimension letters as in `components.training.tensors`.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch import Generator, Tensor
from torch.optim import Adam

from components.errors import TrainingError
from components.family_params import Schedule
from components.progress import track
from components.training.checkpoints import Checkpoint, Checkpoints
from components.training.learner import Learner, Paced, Rows
from components.training.live_history import Epoch, LiveHistory, Phase
from components.training.state import Average, State
from components.training.tensors import Interactions

_LEAST_GAIN = 1e-5
_ROWS_AT_ONCE = 1 << 18

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One fit: its phase, the ratings to learn, the valid rows if any, and the most epochs."""

    phase: Phase
    interactions: Interactions
    epochs: int
    valid: tuple[Rows, Tensor] | None
    scale: tuple[float, float]


def fit(
    learner: Learner,
    task: Task,
    schedule: Schedule,
    generator: Generator,
    checkpoints: Checkpoints,
    live: LiveHistory,
) -> list[Epoch]:
    """Fit a learner in place and return its history.

    With valid rows it stops once `schedule.patience` epochs have passed without a better RMSE on
    them; the learner then stands where it stopped, not where it was best, or at the average of the
    steps (`schedule.averaging`). `generator` is on the CPU and drives everything random. Raises
    TrainingError when the loss is no longer finite.
    """
    state = State(
        learner.module(),
        Adam(_group_parameters(learner), lr=schedule.learning_rate),
        Average(learner.module(), schedule.averaging),
        generator,
    )
    history = _resume(state, checkpoints, task.phase)
    live.restart(task.phase, history)
    epochs = _epochs(history, task, schedule)
    for number in track(epochs, f"training ({task.phase})", task.epochs):
        train_rmse = _run_epoch(
            learner, state, task.interactions, number, schedule.batches_a_step()
        )
        with state.average.standing_in():
            rmse = None if task.valid is None else _measure(learner, task.valid, task.scale)
        epoch = Epoch(task.phase, number, train_rmse, rmse)
        history.append(epoch)
        live.append(epoch)
        if checkpoints.is_due():
            _save(state, checkpoints, history)
    if history:
        _save(state, checkpoints, history)
    state.average.settle()
    return history


def best_epoch(history: list[Epoch]) -> Epoch:
    """Return the epoch with the lowest RMSE on the valid rows, the earliest of equals.

    A gain of less than a hundred-thousandth of a rating point is none.
    """
    best = history[0]
    for epoch in history[1:]:
        if _rmse(epoch) < _rmse(best) - _LEAST_GAIN:
            best = epoch
    return best


def _rmse(epoch: Epoch) -> float:
    return math.inf if epoch.rmse is None else epoch.rmse


def _epochs(history: list[Epoch], task: Task, schedule: Schedule) -> Iterator[int]:
    """Yield the numbers of the epochs still to run, looking at the history as it grows."""
    while len(history) < task.epochs and not _is_exhausted(history, task, schedule):
        yield len(history) + 1


def _is_exhausted(history: list[Epoch], task: Task, schedule: Schedule) -> bool:
    if task.valid is None or not history or len(history) < schedule.least_epochs():
        return False
    return len(history) - best_epoch(history).epoch >= schedule.patience


def _group_parameters(learner: Learner) -> Any:
    if isinstance(learner, Paced):
        return learner.parameter_groups()
    return learner.module().parameters()


def _run_epoch(
    learner: Learner, state: State, interactions: Interactions, number: int, batches_a_step: int
) -> float:
    """Take one step a group of batches and return the RMSE on them as they came."""
    total, count = 0.0, 0
    optimizer, generator = state.optimizer, state.generator
    for group in _group(learner.batches(generator), batches_a_step):
        optimizer.zero_grad(set_to_none=True)
        squared, loss = _add_gradients(learner, group, interactions, generator)
        optimizer.step()
        state.average.add()
        total, count = total + squared, count + sum(len(rows.users_B) for rows in group)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} in epoch {number} at learning rate "
                f"{optimizer.param_groups[0]['lr']}; lower the family's learning_rate or raise its "
                "priors in params.yaml, then run the step again"
            )
    return math.sqrt(total / count)


def _group(batches: Iterator[Rows], size: int) -> Iterator[list[Rows]]:
    while group := list(islice(batches, size)):
        yield group


def _add_gradients(
    learner: Learner, group: list[Rows], interactions: Interactions, generator: Generator
) -> tuple[float, float]:
    """Add up the gradients of batches that make one step; return Σ squared errors and the loss.

    The loss is that of one large batch, whatever the sizes of those that it is divided into.
    """
    count = sum(len(rows.users_B) for rows in group)
    total, losses = 0.0, 0.0
    for rows in group:
        with _autocast(interactions.ratings_N.device):
            predicted_B = learner.rate(rows, generator)
        squared = (predicted_B.float() - interactions.ratings_N[rows.own_B]).square().sum()
        loss = squared / count + learner.penalty() / (len(interactions) * len(group))
        loss.backward()
        total, losses = total + float(squared.detach()), losses + float(loss.detach())
    return total, losses


def _measure(learner: Learner, valid: tuple[Rows, Tensor], scale: tuple[float, float]) -> float:
    rows, ratings_B = valid
    predicted_B = rate_all(learner, rows).clamp(*scale)
    return math.sqrt(float((predicted_B - ratings_B).square().mean()))


def rate_all(learner: Learner, rows: Rows) -> Tensor:
    """Return the ratings of rows that were not learnt, in blocks, without gradients."""
    with torch.no_grad():
        blocks = zip(
            rows.users_B.split(_ROWS_AT_ONCE), rows.items_B.split(_ROWS_AT_ONCE), strict=True
        )
        return torch.cat([learner.rate(Rows(*block), None).float() for block in blocks])


def _autocast(device: torch.device) -> AbstractContextManager[Any]:
    # bfloat16 has float32's range: gradients neither overflow nor vanish, no GradScaler needed.
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


def _save(state: State, checkpoints: Checkpoints, history: list[Epoch]) -> None:
    facts = {"history": [asdict(epoch) for epoch in history]}
    checkpoints.save(Checkpoint(len(history), state.pack(), facts))


def _resume(state: State, checkpoints: Checkpoints, phase: Phase) -> list[Epoch]:
    checkpoint = checkpoints.load()
    if checkpoint is None:
        return []
    state.unpack(checkpoint.tensors)
    log.info("training resumed phase=%s epoch=%d", phase, checkpoint.epoch)
    return [Epoch(**epoch) for epoch in checkpoint.facts["history"]]

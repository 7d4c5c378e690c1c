"""The loop: stopping, going on, and giving up."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor, nn

from components.errors import TrainingError
from components.family_params import Schedule
from components.training.checkpoints import Checkpoints
from components.training.learner import Rows, shuffle
from components.training.live_history import Epoch, LiveHistory
from components.training.loop import Task, _add_gradients, best_epoch, fit
from components.training.tensors import Groups, Interactions

ROWS = 40


class Constant(nn.Module):
    """The smallest learner: one number for all, and a little noise in training."""

    def __init__(self, interactions: Interactions) -> None:
        super().__init__()
        self.interactions = interactions
        self.value = nn.Parameter(torch.zeros(()))

    def batches(self, generator: Generator) -> Iterator[Rows]:
        return shuffle(self.interactions, 2, generator)

    def rate(self, rows: Rows, generator: Generator | None) -> Tensor:
        rated = self.value.expand(len(rows.items_B))
        if generator is not None:
            rated = rated + 0.1 * torch.randn(len(rows.items_B), generator=generator)
        return rated

    def penalty(self) -> Tensor:
        return self.value * 0

    def export(self) -> dict[str, object]:
        return {}

    def module(self) -> nn.Module:
        return self


@pytest.fixture
def schedule() -> Schedule:
    return Schedule(batches=2, patience=3, learning_rate=0.2, max_epochs=200)


def task(epochs: int, *, valid: float | None = None, rating: float = 2.0) -> Task:
    codes = torch.arange(ROWS)
    groups = Groups.of(codes, ROWS)
    interactions = Interactions(codes, codes, torch.full((ROWS,), rating), codes, groups, groups)
    rows = None if valid is None else (Rows(codes[:4], codes[:4]), torch.full((4,), valid))
    return Task("search", interactions, epochs, rows, (0.0, 5.0))


def run(folder: Path, what: Task, schedule: Schedule) -> tuple[Constant, list[Epoch]]:
    learner = Constant(what.interactions)
    history = fit(
        learner,
        what,
        schedule,
        Generator().manual_seed(0),
        Checkpoints(folder / "checkpoints", every_seconds=0),
        LiveHistory(folder / "train.jsonl"),
    )
    return learner, history


def test_without_valid_rows_all_epochs_are_run(tmp_path: Path, schedule: Schedule) -> None:
    history = run(tmp_path, task(7), schedule)[1]
    assert [epoch.epoch for epoch in history] == list(range(1, 8))
    assert all(epoch.rmse is None for epoch in history)
    assert history[-1].train_rmse < history[0].train_rmse


def test_stops_when_patience_runs_out(tmp_path: Path, schedule: Schedule) -> None:
    history = run(tmp_path, task(200, valid=1.0), schedule)[1]
    best = best_epoch(history)
    assert len(history) == best.epoch + schedule.patience < 200
    assert best.rmse is not None
    assert best.rmse < 0.3


class Patient(Schedule):
    """A schedule that must not end early, and takes two batches a step."""

    def least_epochs(self) -> int:
        return 30

    def batches_a_step(self) -> int:
        return 2


def test_patience_cannot_run_out_before_the_least_epochs(
    tmp_path: Path, schedule: Schedule
) -> None:
    patient = Patient(**schedule.model_dump())
    assert len(run(tmp_path / "short", task(200, valid=1.0), schedule)[1]) < 30
    assert len(run(tmp_path / "long", task(200, valid=1.0), patient)[1]) == 30


class Quiet(Constant):
    """Without noise, so that a batch gives the same whatever came before it."""

    def rate(self, rows: Rows, generator: Generator | None) -> Tensor:
        return super().rate(rows, None)


def test_batches_that_make_one_step_give_the_gradient_of_one_large_batch() -> None:
    what, found = task(1).interactions, []
    for batches in (1, 3):  # of 40, and of 14, 14 and 12 rows
        learner = Quiet(what)
        group = list(shuffle(what, batches, Generator().manual_seed(0)))
        assert len(group) == batches
        squared, loss = _add_gradients(learner, group, what, Generator())
        assert learner.value.grad is not None
        found.append((squared, loss, float(learner.value.grad)))
    assert found[0] == pytest.approx(found[1])


def test_live_history_holds_every_epoch(tmp_path: Path, schedule: Schedule) -> None:
    history = run(tmp_path, task(4), schedule)[1]
    assert LiveHistory(tmp_path / "train.jsonl").read() == history


@pytest.mark.parametrize("killed_after", [1, 3, 5])
def test_going_on_from_a_checkpoint_ends_bit_for_bit_the_same(
    tmp_path: Path, schedule: Schedule, killed_after: int
) -> None:
    whole, history = run(tmp_path / "whole", task(6), schedule)
    run(tmp_path / "cut", task(killed_after), schedule)
    resumed, resumed_history = run(tmp_path / "cut", task(6), schedule)
    assert torch.equal(resumed.value, whole.value)
    assert resumed_history == history
    assert LiveHistory(tmp_path / "cut/train.jsonl").read() == history


def test_finished_fit_is_not_run_again(tmp_path: Path, schedule: Schedule) -> None:
    first, _ = run(tmp_path, task(200, valid=1.0), schedule)
    checkpoints = {p: p.stat().st_mtime_ns for p in (tmp_path / "checkpoints").iterdir()}
    second, history = run(tmp_path, task(200, valid=1.0), schedule)
    assert torch.equal(first.value, second.value)
    assert len(history) == best_epoch(history).epoch + schedule.patience
    left = {p: p.stat().st_mtime_ns for p in (tmp_path / "checkpoints").iterdir()}
    assert left.keys() == checkpoints.keys()


def test_loss_that_is_no_number_names_epoch_and_learning_rate(
    tmp_path: Path, schedule: Schedule
) -> None:
    with pytest.raises(TrainingError, match=r"epoch 1 at learning rate 0\.2"):
        run(tmp_path, task(3, rating=math.inf), schedule)


def test_best_epoch_is_the_earliest_of_equals() -> None:
    history = [Epoch("search", n, 1.0, rmse) for n, rmse in ((1, 0.9), (2, 0.8), (3, 0.8))]
    assert best_epoch(history).epoch == 2

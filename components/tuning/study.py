"""A search's memory, kept by Optuna in a journal file: every trial so far, and what to try next.

The file outlives whoever writes it. A trial that was running when its process ended is begun again,
and the next suggestion depends on the finished trials alone: so a search that was killed comes to
the same trials as one that was not.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from components.tuning.spaces import Range, Space, Values, round_value

Outcome = Literal["complete", "pruned", "diverged"]

_NAME = "study"
_OUTCOMES: dict[TrialState, Outcome] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "diverged",
}
# Of a trial's attributes: what was tried, whether it stood in params.yaml, and how it went. Only
# what came to an end has seconds: a trial that was cut off fails without.
_VALUES, _PRESENT, _EPOCHS, _SECONDS = "values", "present", "epochs", "seconds"
_UNJUDGED_TRIALS = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tried:
    """One finished trial. `rmse` is on the valid rows, and None unless it is complete.

    `number` is the study's own: it may skip some, which were begun and never ended.
    """

    number: int
    values: Values
    outcome: Outcome
    rmse: float | None
    epochs: int | None
    seconds: float


class Attempt:
    """One trial while it runs; it ends by exactly one of its last three methods."""

    def __init__(self, study: optuna.Study, trial: optuna.Trial, space: Space) -> None:
        self._study, self._trial = study, trial
        self.number: int = trial.number
        self.is_present = bool(trial.user_attrs.get(_PRESENT, False))
        self.values: Values = {
            name: value if self.is_present else round_value(value, space[name].kind)
            for name, value in trial.params.items()
        }
        trial.set_user_attr(_VALUES, self.values)

    def is_hopeless(self, epoch: int, rmse: float) -> bool:
        """Note the RMSE after an epoch and say whether most other trials stood better there.

        Never so for the present values, which everything is compared with.
        """
        self._trial.report(rmse, epoch)
        return not self.is_present and self._trial.should_prune()

    def complete(self, rmse: float, epochs: int, seconds: float) -> None:
        """End with a result."""
        self._trial.set_user_attr(_EPOCHS, epochs)
        self._end(TrialState.COMPLETE, seconds, rmse)

    def prune(self, seconds: float) -> None:
        """End early, because it was hopeless."""
        self._end(TrialState.PRUNED, seconds)

    def diverge(self, seconds: float) -> None:
        """End without a result, because the loss was no longer a number."""
        self._end(TrialState.FAIL, seconds)

    def _end(self, state: TrialState, seconds: float, rmse: float | None = None) -> None:
        self._trial.set_user_attr(_SECONDS, round(seconds, 3))
        self._study.tell(self._trial, rmse, state)


class Study:
    """The trials of one space on one set of inputs. Whoever opens it holds a lock: one at a time.

    Suggestions by a tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for
    hyper-parameter optimization"), early ends by the median rule (Golovin et al. 2017, "Google
    Vizier", 3.2.2).
    """

    def __init__(self, path: Path, space: Space, *, seed: int, unjudged_epochs: int) -> None:
        """Open the study in a file, or begin it; no trial is judged in its first epochs."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._seed = space, seed
        self._distributions = {name: _distribution(searched) for name, searched in space.items()}
        _mend(path)
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path), _HeldAlready(str(path)))),
            study_name=_NAME,
            load_if_exists=True,
            pruner=MedianPruner(_UNJUDGED_TRIALS, unjudged_epochs),
        )

    def tried(self) -> list[Tried]:
        """Return the finished trials, in the order in which they were begun."""
        return [
            _read(trial)
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state in _OUTCOMES and _SECONDS in trial.user_attrs
        ]

    def resume(self, present: Values) -> None:
        """Put first what must be tried next: the present values, then what was cut off."""
        cut_off = self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        waiting = self._study.get_trials(deepcopy=False, states=[TrialState.WAITING])
        known = [tried.values for tried in self.tried()]
        known += [trial.user_attrs[_VALUES] for trial in waiting]
        if present not in known:
            self._study.enqueue_trial(dict(present), {_VALUES: present, _PRESENT: True})
            known.append(present)
        for trial in cut_off:
            values = trial.user_attrs.get(_VALUES)  # missing where the kill came before them
            if values is not None and values not in known:
                self._study.enqueue_trial(trial.params, {_VALUES: values})
            self._study.tell(trial.number, state=TrialState.FAIL)
            log.info("trial cut off, begun again later number=%d", trial.number)

    def begin(self) -> Attempt:
        """Begin the next trial: one that was put first, else one that looks promising."""
        self._study.sampler = TPESampler(seed=self._seed + len(self.tried()))
        return Attempt(self._study, self._study.ask(self._distributions), self._space)


def find_best(tried: Sequence[Tried]) -> Tried | None:
    """Return the complete trial with the lowest RMSE, the earliest of equals; None without one."""
    complete = [trial for trial in tried if trial.rmse is not None]
    return min(complete, key=lambda trial: (trial.rmse, trial.number), default=None)


def find_values(tried: Sequence[Tried], values: Values) -> Tried | None:
    """Return the first trial of these very values; None if they were never tried."""
    return next((trial for trial in tried if trial.values == values), None)


class _HeldAlready(JournalFileOpenLock):
    """No lock file: a killed process would leave it behind, and ours is the kernel's."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _mend(path: Path) -> None:
    """Cut off a line that a killed process began: Optuna could not read past it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            with path.open("rb+") as file:
                file.truncate(len(whole))
            log.warning("study mended path=%s bytes_cut=%d", path, len(content) - len(whole))


def _distribution(searched: Range) -> BaseDistribution:
    if searched.kind == "integer":
        return IntDistribution(int(searched.low), int(searched.high), log=True)
    return FloatDistribution(searched.low, searched.high, log=searched.kind == "log")


def _read(trial: FrozenTrial) -> Tried:
    facts = trial.user_attrs
    return Tried(
        trial.number,
        facts[_VALUES],
        _OUTCOMES[trial.state],
        trial.value if trial.state == TrialState.COMPLETE else None,
        facts.get(_EPOCHS),
        facts[_SECONDS],
    )

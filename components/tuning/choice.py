"""Whether the best trial is better than what stands in params.yaml, by more than chance."""

from dataclasses import dataclass

from components.statistics import Interval
from components.tuning.study import Tried


@dataclass(frozen=True)
class Choice:
    """The trial of the present values beside the best one, both of the same study.

    `gain` is RMSE(best) − RMSE(present) of what their bundles answer on the valid rows, with its
    paired interval by users; None where there is nothing to compare, because the best is the
    present or one of them diverged. It may differ a little from the trials' own RMSE, which is the
    learner's: matrix factorization, for one, solves for users anew when it answers.
    """

    present: Tried
    best: Tried | None
    gain: Interval | None

    @property
    def is_better(self) -> bool:
        """Say whether the best values shall take the present ones' place.

        Where the present values do not learn at all, any that do are better.
        """
        if self.best is None or self.best.values == self.present.values:
            return False
        if self.present.rmse is None:
            return True
        return self.gain is not None and self.gain.high < 0

    @property
    def reason(self) -> str:
        """Say why, in a sentence."""
        if self.best is None:
            return "no trial came to a result"
        if self.best.values == self.present.values:
            return "the values in params.yaml are the best that were tried"
        if self.present.rmse is None:
            return "the values in params.yaml do not learn: their loss is no longer a number"
        if self.gain is None:
            return "the best values were not compared"
        said = f"{self.gain.value:+.4f} ({self.gain.low:+.4f} to {self.gain.high:+.4f})"
        if self.is_better:
            return f"better on the valid rows by more than chance: RMSE {said}"
        return f"no better than by chance on the valid rows: RMSE {said}"

"""The comparison as numbers, and as Markdown that docs/benchmarks.md can hold.

Errors of all draws of a split are pooled for the intervals, users resampled whole; the RMSE shown
is the mean over the draws, as the literature has it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmarks.comparison.answers import STATIC, Answer, Seconds
from benchmarks.comparison.draws import Draw
from components.evaluation.accuracy import rmse
from components.evaluation.contest import Standing, rank_models
from components.evaluation.measurement import Truth
from components.models.catalogue import Floats
from components.params import Evaluate

Kind = Literal["reference", "peer", "ours"]
Clock = Literal["processor", "wall"]


@dataclass(frozen=True)
class Entry:
    """One model of the comparison; `answers` has a row a draw and in it one a seed."""

    label: str
    kind: Kind
    answers: tuple[tuple[Answer, ...], ...]

    def rates(self, situation: str) -> bool:
        """Return whether the model was asked in a situation."""
        return all(situation in answer.predicted for of in self.answers for answer in of)

    def pool(self, situation: str) -> list[Floats]:
        """Return the ratings of all draws' test rows, one array a seed."""
        seeds = range(len(self.answers[0]))
        return [
            np.concatenate([of[seed].predicted[situation] for of in self.answers]) for seed in seeds
        ]

    def seconds(self, part: Literal["train", "predict"], clock: Clock) -> float:
        """Return the mean seconds of a draw."""
        spent: list[Seconds] = [getattr(answer, part) for of in self.answers for answer in of]
        return float(np.mean([getattr(each, clock) for each in spent]))


@dataclass(frozen=True)
class Line:
    """An entry in a situation: its RMSE by draw (mean over seeds), and where it stands."""

    entry: Entry
    rmse_by_draw: tuple[float, ...]
    standing: Standing

    @property
    def rmse(self) -> float:
        """Return the mean over the draws."""
        return float(np.mean(self.rmse_by_draw))


def find_best_peer(draws: Sequence[Draw], entries: Sequence[Entry]) -> str | None:
    """Return the label of the peer with the lowest static RMSE on these test rows, if any.

    Chosen after the fact, so that we are held against whichever came out best.
    """
    peers = [entry for entry in entries if entry.kind == "peer"]
    errors = {entry.label: float(np.mean(_by_draw(draws, entry, STATIC))) for entry in peers}
    return min(errors, key=lambda label: errors[label]) if errors else None


def rank_entries(
    draws: Sequence[Draw],
    entries: Sequence[Entry],
    situation: str,
    best_peer: str | None,
    evaluate: Evaluate,
) -> list[Line]:
    """Return the lines of those asked in a situation, best first; each against the best peer.

    In a situation that peers are not asked in, theirs are the static ratings. Without a peer each
    is held against the best of the others.
    """
    asked = {entry.label: entry for entry in entries if entry.rates(situation)}
    if not asked:
        return []
    predictions = {label: entry.pool(situation) for label, entry in asked.items()}
    if best_peer is not None and best_peer not in predictions:
        [peer] = [entry for entry in entries if entry.label == best_peer]
        predictions[best_peer] = peer.pool(STATIC)
    truth = Truth.of(pd.concat([draw.test for draw in draws], ignore_index=True))
    standings = rank_models(truth, predictions, evaluate, best_peer)
    return [
        Line(asked[each.name], _by_draw(draws, asked[each.name], situation), each)
        for each in standings
        if each.name in asked
    ]


def _by_draw(draws: Sequence[Draw], entry: Entry, situation: str) -> tuple[float, ...]:
    errors = []
    for draw, answers in zip(draws, entry.answers, strict=True):
        truth_N = draw.test["rating"].to_numpy(np.float32)
        errors.append(np.mean([rmse(truth_N, each.predicted[situation]) for each in answers]))
    return tuple(float(error) for error in errors)


def render_lines(
    lines: Sequence[Line], best_peer: str | None, svdpp_seconds: float | None, clock: Clock
) -> str:
    """Return a Markdown table of RMSE, intervals and seconds; ours in bold."""
    rival = "best other" if best_peer is None else "best peer"
    head = (
        f"| model | RMSE | 95 % by users | less {rival} | 95 %, paired | seeds ± "
        "| train s | rate s | train × SVD++ |"
    )
    rows = [_render_line(line, svdpp_seconds, clock) for line in lines]
    return "\n".join([head, f"|---|---:|---|---:|---|{'---:|' * 4}", *rows])


def _render_line(line: Line, svdpp_seconds: float | None, clock: Clock) -> str:
    entry, standing = line.entry, line.standing
    name = f"**{entry.label}**" if entry.kind == "ours" else entry.label
    gain = standing.gain
    train, rate = (entry.seconds(part, clock) for part in ("train", "predict"))
    cells = [
        name,
        f"{line.rmse:.4f}",
        f"{standing.rmse.low:.4f} – {standing.rmse.high:.4f}",
        "–" if gain is None else f"{gain.value:+.4f}",
        "–" if gain is None else f"{gain.low:+.4f} – {gain.high:+.4f}",
        "–" if standing.spread is None else f"{standing.spread:.4f}",
        *(["–"] * 3 if entry.kind == "reference" else [f"{train:.1f}", f"{rate:.1f}"]),
    ]
    if entry.kind != "reference":
        cells.append("–" if svdpp_seconds is None else f"{train / svdpp_seconds:.2f}")
    return f"| {' | '.join(cells)} |".replace("-0.", "−0.")


def render_draws(draws: Sequence[Draw], lines: Sequence[Line]) -> str:
    """Return a Markdown table of RMSE by draw."""
    numbers = [str(draw.number) for draw in draws]
    head = f"| RMSE by draw | {' | '.join(numbers)} | mean |"
    rows = [
        f"| {line.entry.label} | "
        f"{' | '.join(f'{each:.4f}' for each in line.rmse_by_draw)} | {line.rmse:.4f} |"
        for line in lines
    ]
    return "\n".join([head, f"|---|{'---:|' * (len(numbers) + 1)}", *rows])


def describe_lines(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return the lines as JSON can hold them."""
    return [
        {
            "model": line.entry.label,
            "kind": line.entry.kind,
            "rmse": line.rmse,
            "rmse_by_draw": list(line.rmse_by_draw),
            "pooled": {key: value for key, value in asdict(line.standing).items() if key != "name"},
            "runs": [[_describe(answer) for answer in of] for of in line.entry.answers],
        }
        for line in lines
    ]


def _describe(answer: Answer) -> dict[str, Any]:
    seconds = {"train": asdict(answer.train), "predict": asdict(answer.predict)}
    return {"seconds": seconds, "facts": answer.facts}

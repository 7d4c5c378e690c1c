"""RMSE and seconds of our families beside their peers, trained on the same rows of real data.

    python benchmarks/accuracy.py DATA [--splits random,global_time,cold_item] [--folds 0,1]
        [--models hybrid,mf] [--peers surprise-svdpp,…|none] [--seeds 3] [--out results.json]

DATA holds items.csv (item_id, image, title, genres), the images that it names, and ratings.csv
(user_id, item_id, rating, timestamp). The peers get an environment of their own. Every fit is kept
below --cache: a killed run goes on where it was, and a second one costs nothing.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.comparison.answers import STATIC, AnswerStore
from benchmarks.comparison.contest import REFERENCES, Contest
from benchmarks.comparison.dataset import Dataset, read_dataset
from benchmarks.comparison.draws import FOLDS, SPLITS, Draw, draw, numbers_of
from benchmarks.comparison.ours import IN_SESSION, LIVING, PREQUENTIAL, SITUATIONS, Ours
from benchmarks.comparison.peer_environment import PeerEnvironment
from benchmarks.comparison.peer_fits import PeerFits
from benchmarks.comparison.peers import PEERS, SVDPP
from benchmarks.comparison.table import (
    Clock,
    Entry,
    describe_lines,
    find_best_peer,
    rank_entries,
    render_draws,
    render_lines,
)
from components.devices import pick_device
from components.errors import BeholderError
from components.files import write_json
from components.models.families import FAMILIES
from components.params import Evaluate, load_params
from components.settings import load_settings

PARAMS = Path(__file__).parents[1] / "params.yaml"
TITLES = {
    STATIC: "Static: histories hold train rows",
    IN_SESSION: "In session: as static, and it is known when each question is asked; the hybrid's "
    "mood reads what was rated before, gru and sasrec what came later too",
    LIVING: "Living: as in session, and histories hold the test rows that were given before",
    PREQUENTIAL: "Prequential: histories hold what the user had rated by then, and nothing later",
}
# Learnt only when named: without a GPU it takes hours.
COSTLY = {"finetuned"}
NONE = "none"


def main() -> None:
    arguments = _make_parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        numbers = run(arguments)
    except BeholderError as error:
        sys.exit(f"error: {error}")
    if arguments.out is not None:
        write_json(arguments.out, numbers)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the splits that were asked for and return their numbers, printing tables on the way."""
    params, settings = load_params(arguments.params), load_settings()
    cache = arguments.cache.expanduser().resolve()
    device = pick_device(settings)
    dataset = read_dataset(arguments.data, cache, params, settings)
    environment, store = PeerEnvironment(cache), AnswerStore(cache / "answers")
    peers = [peer for peer in PEERS if peer.name in arguments.peers]
    if peers:
        environment.install()
    ours = Ours(dataset, params, settings, device)
    scale = (params.data.rating_min, params.data.rating_max)
    fits = PeerFits(dataset, scale, environment, store)
    families = [family for family in arguments.models if family != NONE]
    contest = Contest(families, peers, arguments.seeds, ours, fits, store)
    clock: Clock = "processor" if device == "cpu" else "wall"
    print(introduce(dataset, device, clock))
    folds = {int(number) for number in arguments.folds}
    found = {}
    for split in arguments.splits:
        numbers = numbers_of(split)
        draws = [
            draw(dataset.ratings, split, n) for n in numbers if n in folds or len(numbers) == 1
        ]
        found[split] = show_split(split, draws, contest.enter(draws), params.evaluate, clock)
    return {"device": device, "clock": clock, "rows": len(dataset.ratings), "splits": found}


def introduce(dataset: Dataset, device: str, clock: Clock) -> str:
    """Return what the tables are about."""
    ratings = dataset.ratings
    return (
        f"{len(ratings):,} ratings by {ratings['user_id'].nunique():,} users of "
        f"{ratings['item_id'].nunique():,} items; {len(dataset.catalogue):,} items in the "
        f"catalogue. Ours on {device}, peers on one core; {clock} seconds a fit. Seconds of ours "
        "hold the search for the number of epochs; those of a tuned peer its last fit only."
    )


def show_split(
    split: str, draws: Sequence[Draw], entries: Sequence[Entry], evaluate: Evaluate, clock: Clock
) -> dict[str, Any]:
    """Print a split's tables, one a situation, and return the numbers."""
    best = find_best_peer(draws, entries)
    rows = sum(len(each.test) for each in draws)
    print(f"\n### {split}: {len(draws)} × train and test, {rows:,} test rows")
    svdpp = next((entry for entry in entries if entry.label == SVDPP), None)
    seconds = None if svdpp is None else svdpp.seconds("train", clock)
    found: dict[str, Any] = {"best_peer": best}
    for situation in (STATIC, *SITUATIONS[split]):
        lines = rank_entries(draws, entries, situation, best, evaluate)
        if not lines:
            continue
        rated = "" if situation == STATIC else ", which reads train rows only"
        print(f"\n{TITLES[situation]}. Best peer{rated}: {best or 'none'}.\n")
        print(render_lines(lines, best, seconds, clock))
        if len(draws) > 1:
            print(f"\n{render_draws(draws, lines)}")
        sys.stdout.flush()
        found[situation] = describe_lines(lines)
    return found


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    families = [name for name in FAMILIES if name not in COSTLY and name not in REFERENCES]
    peers = [peer.name for peer in PEERS]
    folds = [str(number) for number in range(FOLDS)]

    def choose(name: str, known: Sequence[str], chosen: Sequence[str], what: str) -> None:
        text = f"{what}: some of {', '.join(known)}; default {','.join(chosen)}"
        parser.add_argument(name, type=_listed(known), default=list(chosen), help=text)

    parser.add_argument("data", type=Path)
    choose("--splits", SPLITS, SPLITS, "splits")
    choose("--folds", folds, folds, "folds of random, and draws of cold_item")
    choose("--models", [*FAMILIES, NONE], families, "families of ours")
    choose("--peers", [*peers, NONE], peers, "peers")
    parser.add_argument("--seeds", type=int, default=1, help="fits of each family of ours")
    parser.add_argument("--params", type=Path, default=PARAMS, help="default: the repository's")
    parser.add_argument("--cache", type=Path, default=_default_cache())
    parser.add_argument("--out", type=Path, help="all numbers, as JSON")
    return parser


def _listed(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = list(dict.fromkeys(text.split(",")))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return names

    return parse


def _default_cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "beholder" / "accuracy"


if __name__ == "__main__":
    main()

"""One fit of one peer, inside the peers' own environment: `python peer_worker.py FOLDER`.

FOLDER holds what `benchmarks.comparison.peer_fits` wrote: job.json (library, algorithm, options,
seed, scale), learn.csv (user_id, item_id, rating), ask.csv (user_id, item_id) and, for a peer that
sees pictures, looks.npy, whose row 7 belongs to the item "i7". It gets predicted.npy, the ratings
of the rows of ask.csv, and then report.json, the seconds by the clock and of the processor.
Nothing of Beholder is imported here, and nothing of the peers elsewhere.
"""

import csv
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

WHOLE = "whole_catalogue"
Rows = list[list[str]]
Fit = Callable[[], Callable[[str, str], float]]


def main() -> None:
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text())
    prepare = {"surprise": prepare_surprise, "cornac": prepare_cornac}[job["library"]]
    fit = prepare(folder, job)
    asked = read_rows(folder / "ask.csv")
    predict, train_seconds = measure(fit)
    predicted, predict_seconds = measure(lambda: [predict(user, item) for user, item in asked])
    np.save(folder / "predicted.npy", np.array(predicted, np.float64))
    report = {"train": train_seconds, "predict": predict_seconds}
    (folder / "report.json").write_text(json.dumps(report))


def measure(work: Callable) -> tuple:
    """Return what `work` returns, and its seconds: by the clock, and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    seconds = [time.perf_counter() - wall, time.process_time() - processor]
    return result, seconds


def read_rows(path: Path) -> Rows:
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def prepare_surprise(folder: Path, job: dict) -> Fit:
    """Return the fit of a Surprise algorithm, the ratings read and indexed before it."""
    import inspect

    import surprise

    reader = surprise.Reader(
        line_format="user item rating", sep=",", skip_lines=1, rating_scale=tuple(job["scale"])
    )
    file = str(folder / "learn.csv")
    trainset = surprise.Dataset.load_from_file(file, reader).build_full_trainset()
    chosen = getattr(surprise, job["algorithm"])
    options = dict(job["options"])
    if "random_state" in inspect.signature(chosen).parameters:
        options["random_state"] = job["seed"]
    if job["algorithm"] in ("BaselineOnly", "KNNBaseline"):
        options["verbose"] = False  # they print

    def fit() -> Callable[[str, str], float]:
        algorithm = chosen(**options).fit(trainset)
        # What the library answers for those whom it does not know: predict() decides, and clips.
        return lambda user, item: algorithm.predict(user, item).est

    return fit


def prepare_cornac(folder: Path, job: dict) -> Fit:
    """Return the fit of a Cornac model, the ratings read and indexed before it.

    For an item that nobody rated Cornac answers the mean of all ratings, even where it has its
    picture. With the option `whole_catalogue` it is told of every item, rated or not, so that it
    rates a new one from its picture.
    """
    import cornac

    rated = [(user, item, float(rating)) for user, item, rating in read_rows(folder / "learn.csv")]
    options = dict(job["options"])
    looks = np.load(folder / "looks.npy") if (folder / "looks.npy").exists() else np.zeros((0, 0))
    items = [f"i{row}" for row in range(len(looks))]
    told = {item: row for row, item in enumerate(items)} if options.pop(WHOLE, False) else None
    train = cornac.data.Dataset.build(rated, global_iid_map=told, seed=job["seed"])
    if items:
        import torch  # so that its import is no part of the seconds

        torch.set_num_threads(1)
        seen = cornac.data.ImageModality(features=looks, ids=items, normalized=True)
        train.add_modalities(item_image=seen.build(id_map=train.iid_map))
    model = getattr(cornac.models, job["algorithm"])(seed=job["seed"], **options)

    def fit() -> Callable[[str, str], float]:
        model.fit(train)
        users, known = train.uid_map, train.iid_map
        # Unknown ones have no index; rate() answers for them, and clips.
        return lambda user, item: float(model.rate(users.get(user, -1), known.get(item, -1)))

    return fit


if __name__ == "__main__":
    main()

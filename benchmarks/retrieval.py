"""How fast lists are found in large catalogues: exactly, and by the index, side by side.

    python benchmarks/retrieval.py [--items 20000 100000 1000000] [--questions 200]

Drawn catalogues, through the predictor and the code that packages and serves. *Tastes* are a matrix
factorization with 48 factors; *looks* are embeddings of 1,280 numbers, as EfficientNet's. One
thread, as in a worker. A million look-alikes take 6 GB in the folder for temporary files.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from components.models.bundle import Bundle
from components.models.catalogue import Catalogue, Floats, Ints, UserBook
from components.models.predictor import Predictor
from components.models.protocol import Weights
from components.models.search import EXACT, Question, Searcher, Shortlisted
from components.params import Retrieval, load_params
from components.retrieval.making import make_index
from components.retrieval.opening import find_files, open_index

PARAMS = Path(__file__).parents[1] / "params.yaml"

_USERS, _RATED = 1000, 40
_FACTORS, _EMBEDDING = 48, 1280
_CLUSTERS = 300
_AT_ONCE = 50_000


@dataclass(frozen=True)
class Row:
    """What one kind of list costs in one catalogue; times in milliseconds."""

    name: str
    items: int
    exact: Floats
    indexed: Floats
    recall: float
    index: str
    probes: int
    seconds: float
    index_mb: float
    vectors_mb: float

    def show(self) -> str:
        """Return a line of the table."""
        exact, indexed = float(np.median(self.exact)), float(np.median(self.indexed))
        return (
            f"| {self.name} | {self.items:,} | {exact:.2f} ({_p99(self.exact):.2f}) | "
            f"{indexed:.2f} ({_p99(self.indexed):.2f}) | {exact / indexed:.1f} | "
            f"{self.recall:.4f} | {self.index}, {self.probes} probes | {self.vectors_mb:,.0f} | "
            f"{self.index_mb:,.0f} | {self.seconds:.0f} |"
        )


HEAD = (
    "| list | items | exact ms (p99) | index ms (p99) | times faster | recall@10 | index | "
    "vectors MB | index MB | made in s |\n|---|---:|---:|---:|---:|---:|---|---:|---:|---:|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[20_000, 100_000, 1_000_000])
    parser.add_argument("--questions", type=int, default=200)
    arguments = parser.parse_args()
    retrieval = load_params(PARAMS).retrieval
    retrieval = retrieval.model_copy(
        update={
            "questions": arguments.questions,
            "tastes": retrieval.tastes.model_copy(update={"index_from": 1}),
            "looks": retrieval.looks.model_copy(update={"index_from": 1}),
        }
    )
    print(HEAD)
    for items in arguments.items:
        for name, draw in {"tastes": draw_tastes, "looks": draw_looks}.items():
            with tempfile.TemporaryDirectory(prefix="beholder-retrieval-") as folder:
                print(measure(name, draw(items, Path(folder)), retrieval, Path(folder)).show())


def measure(name: str, predictor: Predictor, retrieval: Retrieval, folder: Path) -> Row:
    """Make an index, and ask it and exact search the same questions."""
    started = time.perf_counter()
    stated = make_index(name, predictor, retrieval, folder)
    seconds = time.perf_counter() - started
    items = len(predictor.items)
    searcher = Shortlisted(open_index(folder, name, stated, items))
    vectors = (
        predictor.items.vectors_BD if name == "tastes" else predictor.bundle.catalogue.embeddings_IE
    )
    questions = _QUESTIONS[name](predictor, retrieval)
    with threadpool_limits(limits=1):
        return Row(
            name,
            items,
            clock(EXACT, questions),
            clock(searcher, questions),
            stated.recall,
            stated.name,
            stated.probes,
            seconds,
            sum(path.stat().st_size for path in find_files(folder, name)) / (1 << 20),
            vectors.nbytes / (1 << 20),
        )


def clock(searcher: Searcher, questions: Sequence[Question]) -> Floats:
    """Return the milliseconds that each question takes, after a first round."""
    taken = []
    for question in [*questions[:10], *questions]:
        started = time.perf_counter()
        searcher.search(question)
        taken.append((time.perf_counter() - started) * 1000)
    return np.array(taken[10:], np.float32)


def draw_tastes(items: int, folder: Path) -> Predictor:
    """Return a matrix factorization of items in clusters, whose users rated by a taste."""
    generator = np.random.default_rng(0)
    scale_D = (0.4 / np.sqrt(1 + np.arange(_FACTORS))).astype(np.float32)
    centres_CD = generator.standard_normal((_CLUSTERS, _FACTORS), np.float32) * scale_D
    vectors_ID = centres_CD[generator.integers(0, _CLUSTERS, items)]
    vectors_ID += generator.standard_normal((items, _FACTORS), np.float32) * scale_D
    bias_I = generator.standard_normal(items, np.float32) * np.float32(0.2)
    rated_UN = generator.integers(0, items, (_USERS, _RATED))
    tastes_UD = generator.standard_normal((_USERS, _FACTORS), np.float32)
    ratings_UN = 3.5 + bias_I[rated_UN] + np.einsum("und,ud->un", vectors_ID[rated_UN], tastes_UD)
    weights = {
        "mean": np.float32([3.5]),
        "item_bias": bias_I,
        "item_vectors": vectors_ID,
        "user_priors": np.float32([5, 2]),
    }
    embeddings_IE = np.zeros((items, 1), np.float32)
    return Predictor(_bundle("mf", embeddings_IE, weights, rated_UN, ratings_UN))


def draw_looks(items: int, folder: Path) -> Predictor:
    """Return a predictor over embeddings: what a rectifier leaves of clusters in 96 dimensions."""
    generator = np.random.default_rng(0)
    spectrum_H = (1 / np.sqrt(1 + np.arange(96))).astype(np.float32)
    mixing_HE = generator.standard_normal((96, _EMBEDDING), np.float32)
    centres_CH = generator.standard_normal((_CLUSTERS, 96), np.float32) * spectrum_H
    embeddings_IE = np.memmap(
        folder / "embeddings.f32", np.float32, "w+", shape=(items, _EMBEDDING)
    )
    for start in range(0, items, _AT_ONCE):
        count = min(_AT_ONCE, items - start)
        hidden = centres_CH[generator.integers(0, _CLUSTERS, count)]
        hidden += generator.standard_normal((count, 96), np.float32) * spectrum_H
        seen = hidden @ mixing_HE
        seen += generator.standard_normal((count, _EMBEDDING), np.float32)
        embeddings_IE[start : start + count] = np.maximum(seen, 0)
    weights = {
        "mean": np.float32([3.5]),
        "item_bias": np.zeros(items, np.float32),
        "user_prior": np.float32([5]),
    }
    rated_UN = generator.integers(0, items, (_USERS, _RATED))
    ratings_UN = np.full(rated_UN.shape, 4)
    return Predictor(_bundle("biases", np.asarray(embeddings_IE), weights, rated_UN, ratings_UN))


def _bundle(
    family: str, embeddings_IE: Floats, weights: Weights, rated_UN: Ints, ratings_UN: np.ndarray
) -> Bundle:
    items = len(embeddings_IE)
    frame = pd.DataFrame({"item_id": np.arange(items).astype(str), "title": "", "category": ""})
    catalogue = Catalogue(frame, embeddings_IE, np.ones(items, bool))
    users = UserBook(
        tuple(map(str, range(_USERS))),
        np.arange(0, rated_UN.size + 1, _RATED),
        rated_UN.ravel(),
        np.clip(ratings_UN.ravel(), 0.5, 5).astype(np.float32),
        np.zeros(rated_UN.size, np.int64),
    )
    return Bundle(family, weights, catalogue, users, (0.5, 5.0), {}, {}, {})


def _ask_tastes(predictor: Predictor, retrieval: Retrieval) -> list[Question]:
    users = predictor.bundle.users
    return [
        predictor.ask_taste(
            predictor.fold_user(str(user)), retrieval.k, users.history(user).items_N
        )
        for user in range(min(retrieval.questions, _USERS))
    ]


def _ask_looks(predictor: Predictor, retrieval: Retrieval) -> list[Question]:
    embeddings_IE = predictor.bundle.catalogue.embeddings_IE
    drawn = np.random.default_rng(1).integers(0, len(embeddings_IE), retrieval.questions)
    return [
        predictor.ask_look(embeddings_IE[item], retrieval.k, np.array([item])) for item in drawn
    ]


_QUESTIONS: dict[str, Callable[[Predictor, Retrieval], list[Question]]] = {
    "tastes": _ask_tastes,
    "looks": _ask_looks,
}


def _p99(times: Floats) -> float:
    return float(np.percentile(times, 99))


if __name__ == "__main__":
    main()

"""The indexes of a served bundle: made where the catalogue is large, and tried before they go out.

    index/
      tastes.faiss, looks.faiss              the items in cells
      tastes.safetensors, looks.safetensors  what projects a query

Neither is there for a list that is found exactly.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from components.files import read_json
from components.models.bundle import MANIFEST, load_bundle
from components.models.catalogue import Ints
from components.models.predictor import Predictor
from components.models.search import Question, Shortlisted
from components.params import IndexOptions, Retrieval
from components.retrieval.cells import CellIndex, build_cells, save_queries
from components.retrieval.opening import find_files, open_index
from components.retrieval.projection import Blocks, Projection, cut, fit_to_items, fit_to_queries
from components.retrieval.recall import Answered, answer, measure_recall
from components.retrieval.statement import Search, Statement

_FEWEST_PROBES, _MOST_CELLS = 4, 0.25
# More users than that do not change the directions in which users point.
_FITTED_USERS = 5000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """What an index is made of and tried with; `rows_N` says which row of all each item is."""

    items: Blocks
    rows_N: Ints
    questions: list[Question]
    fit: Callable[[], Projection]


def choose(items: int, retrieval: Retrieval | None) -> list[str]:
    """Return the names of the lists for which a catalogue of some size has an index."""
    if retrieval is None:
        return []
    return [name for name in _GATHER if items >= retrieval.options(name).index_from]


def count_items(served: Path) -> int:
    """Return how many items a bundle holds, as its manifest says."""
    return int(read_json(served / MANIFEST)["counts"]["items"])


def make_indexes(served: Path, retrieval: Retrieval | None, folder: Path) -> Statement:
    """Write the indexes that a bundle needs into a folder, and state what they find."""
    chosen = choose(count_items(served), retrieval)
    if retrieval is None or not chosen:
        return Statement()
    predictor = Predictor(load_bundle(served))
    folder.mkdir(parents=True)
    return Statement(**{name: make_index(name, predictor, retrieval, folder) for name in chosen})


def make_index(name: str, predictor: Predictor, retrieval: Retrieval, folder: Path) -> Search:
    """Write the index `tastes` or `looks` into a folder, and state what it finds.

    Where too few items have an image, none is written: their look-alikes are found exactly.
    """
    from threadpoolctl import threadpool_limits

    options = retrieval.options(name)
    # Products of matrices by several threads need not round alike every time.
    with threadpool_limits(limits=1, user_api="blas"):
        material = _GATHER[name](predictor, retrieval)
        if len(material.rows_N) < options.index_from:
            return Search()
        return _make(name, options, material, retrieval, folder)


def gather_tastes(predictor: Predictor, retrieval: Retrieval) -> Material:
    """Return the items as users meet them, with the item's bias as one more dimension.

    The users who try the index are not among those for whom it is fitted, where there are enough.
    """
    users = predictor.bundle.users
    drawn = np.random.default_rng(retrieval.seed).permutation(len(users))
    count = max(min(retrieval.questions, len(users) // 2), 1)
    asking, fitting = drawn[:count], drawn[count : count + _FITTED_USERS]
    ids = np.array(users.user_ids, dtype=object)
    side = predictor.fold_all(ids[fitting if len(fitting) else asking].tolist())
    queries_QD = np.column_stack([side.vectors_BD, np.ones(len(side), np.float32)])
    items_ID = np.column_stack([predictor.items.vectors_BD, predictor.items.bias_B])
    items = cut(len(items_ID), items_ID.__getitem__)
    return Material(
        items,
        np.arange(len(items_ID)),
        [
            predictor.ask_taste(
                predictor.fold_user(str(ids[user])), retrieval.k, users.history(int(user)).items_N
            )
            for user in asking
        ],
        lambda: fit_to_queries(items, queries_QD, retrieval.tastes.width),
    )


def gather_looks(predictor: Predictor, retrieval: Retrieval) -> Material:
    """Return the looks of the items that have an image; each question asks for those like one."""
    catalogue = predictor.bundle.catalogue
    rows_N = np.flatnonzero(catalogue.has_image_I)
    items = cut(len(rows_N), lambda rows: predictor.unit_looks(rows_N[rows]))
    asking = np.random.default_rng(retrieval.seed).permutation(rows_N)[: retrieval.questions]
    return Material(
        items,
        rows_N,
        [
            predictor.ask_look(catalogue.embeddings_IE[item], retrieval.k, np.array([item]))
            for item in asking
        ],
        lambda: fit_to_items(items, retrieval.looks.width),
    )


_GATHER = {"tastes": gather_tastes, "looks": gather_looks}


def _make(
    name: str, options: IndexOptions, material: Material, retrieval: Retrieval, folder: Path
) -> Search:
    started = time.monotonic()
    inverted, queries = find_files(folder, name)
    projection = material.fit()
    projected_NR = projection.project_items(material.items)
    build_cells(projected_NR, material.rows_N, inverted, retrieval.seed)
    save_queries(projection.queries_DR, queries)
    stated = Search(
        way="index",
        shortlist=options.shortlist,
        k=retrieval.k,
        questions=len(material.questions),
    )
    index = open_index(folder, name, stated, material.questions[0].rows)
    probes, recall = choose_probes(index, answer(material.questions), retrieval.recall)
    log.info(
        "index made list=%s name=%s items=%d probes=%d recall=%.4f seconds=%.1f",
        name,
        index.name,
        len(projected_NR),
        probes,
        recall,
        time.monotonic() - started,
    )
    return replace(stated, name=index.name, probes=probes, recall=recall)


def choose_probes(
    index: CellIndex, answered: Sequence[Answered], wanted: float
) -> tuple[int, float]:
    """Return how many cells to look into, and the recall: the fewest that find what is wanted.

    Powers of two are tried, up to a quarter of the cells: from there on, an index saves little.
    """
    probes = _FEWEST_PROBES
    while True:
        recall = measure_recall(Shortlisted(replace(index, probes=probes)), answered)
        if recall >= wanted or 2 * probes > index.cells * _MOST_CELLS:
            return probes, recall
        probes *= 2

"""An inverted file of faiss: items in cells, of which a query looks into the most promising.

Cells are drawn by distance (k-means) and visited by the inner product of the query with their
centre, the mean score of the items inside; that finds more than either measure used for both.
Dimension letters as in `components.retrieval.projection`, and N rows that were named.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from components.errors import CorruptFileError
from components.files import write_bytes
from components.models.catalogue import Bools, Floats, Ints
from components.models.search import Shortlist

# About √items cells, times this, with at least so many items each.
_CELLS, _LEAST_ITEMS = 4, 8
_ROUNDS, _ITEMS_A_CENTRE = 10, 64
# A shortlist is the best of at least so many times its length.
_CHOICE = 4
# Where fewer than this share of the items are allowed, to score those costs less than to score all.
_FEW = 0.25


@dataclass(frozen=True)
class CellIndex:
    """Answers from a finished file; `rows` is how many items there were, in it or not.

    `probes` is how many cells it looks into, `least` how many rows beyond twice those asked for it
    names. More cells are looked into for more rows, and for a filter that leaves fewer.
    """

    inverted: Any
    queries_DR: Floats
    rows: int
    probes: int
    least: int

    @property
    def name(self) -> str:
        """The index in faiss's own words, after its principal components."""
        return f"PCA{self.inverted.d},IVF{self.cells},SQfp16"

    @property
    def cells(self) -> int:
        """How many cells the items lie in."""
        return int(self.inverted.nlist)

    def shortlist(
        self, query_D: Floats, k: int, spare: int, allowed_I: Bools | None
    ) -> Shortlist | None:
        """Return the rows with the best approximate scores of the cells that are looked into.

        None where all cells would have to be looked into; unless a filter leaves so few rows that
        the shortlist is all of them.
        """
        import faiss

        count = 2 * k + self.least + spare
        share = 1.0 if allowed_I is None else np.count_nonzero(allowed_I) / max(self.rows, 1)
        items_a_cell = self.inverted.ntotal / self.cells
        wanted = max(self.probes, _CHOICE * count / items_a_cell)
        if wanted >= share * self.cells:
            if allowed_I is None or share > _FEW:
                return None
            return Shortlist(np.flatnonzero(allowed_I), is_whole=True)
        probes = math.ceil(wanted / share)
        if allowed_I is None:
            parameters = _probe(probes)
        else:
            bits = np.packbits(allowed_I, bitorder="little")
            # It reads the bits where they lie, so they must live as long as the search.
            selector: Any = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            parameters = _parameters(nprobe=probes, sel=selector)
        query_1R = np.ascontiguousarray(query_D[None, :] @ self.queries_DR, np.float32)
        _, found = self.inverted.search(query_1R, count, params=parameters)
        return Shortlist(np.sort(found[0][found[0] >= 0]).astype(np.int64))


@lru_cache(64)
def _probe(cells: int) -> Any:
    """Return what asks for so many cells; faiss takes as long to make one as to score 100 items."""
    return _parameters(nprobe=cells)


def _parameters(**named: Any) -> Any:
    import faiss

    return faiss.SearchParametersIVF(**named)


def build_cells(items_IR: Floats, rows_I: Ints, path: Path, seed: int) -> None:
    """Write the inverted file of projected items, each under its row; the same bytes every time."""
    import faiss

    count, width = items_IR.shape
    cells = max(1, min(int(_CELLS * math.sqrt(count)), count // _LEAST_ITEMS))
    distances = faiss.IndexFlatL2(width)
    inverted = faiss.IndexIVFScalarQuantizer(
        distances,
        width,
        cells,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,  # items as they are, not relative to the centre of their cell
    )
    inverted.cp.spherical = False  # as it is by itself for inner products
    inverted.cp.niter, inverted.cp.seed = _ROUNDS, seed
    inverted.cp.min_points_per_centroid = 1
    inverted.cp.max_points_per_centroid = _ITEMS_A_CENTRE
    inverted.train(items_IR)
    inverted.add_with_ids(items_IR, rows_I)
    products = faiss.IndexFlatIP(width)
    products.add(distances.reconstruct_n(0, cells))
    inverted.quantizer = products
    faiss.write_index(inverted, str(path))


def save_queries(queries_DR: Floats, path: Path) -> None:
    """Write what turns a query into the index's few dimensions."""
    write_bytes(path, save({"queries": np.ascontiguousarray(queries_DR)}))


def open_cells(inverted: Path, queries: Path, rows: int, probes: int, least: int) -> CellIndex:
    """Map an inverted file into memory, which workers on one machine then share.

    Raises CorruptFileError if the two files are none, or do not fit each other or `rows` items.
    """
    import faiss

    try:
        index: Any = faiss.read_index(str(inverted), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        queries_DR = load_file(queries)["queries"]
    except (RuntimeError, OSError, KeyError, SafetensorError) as error:
        why = str(error).splitlines()[-1]
        raise CorruptFileError(f"index {inverted}: {why}; package the version again") from error
    if index.ntotal > rows or index.d != queries_DR.shape[1]:
        raise CorruptFileError(
            f"index {inverted} holds {index.ntotal} items of {index.d} numbers, which do not fit "
            f"{rows} items and queries of {queries_DR.shape[1]}; package the version again"
        )
    # By default 32 threads a search read ahead, which takes longer than the search.
    lists: Any = faiss.downcast_InvertedLists(index.invlists)
    lists.prefetch_nthread = 0
    return CellIndex(index, queries_DR, rows, probes, least)

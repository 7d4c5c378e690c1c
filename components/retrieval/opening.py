"""The searchers of a release, as its statement says: the only part that an endpoint needs."""

from pathlib import Path

from components.models.search import EXACT, Searcher, Shortlisted
from components.retrieval.cells import CellIndex, open_cells
from components.retrieval.statement import Search, Statement


def open_searchers(folder: Path, statement: Statement, items: int) -> dict[str, Searcher]:
    """Return the searchers by name, as `Predictor` takes them; `items` are those that it has.

    Raises CorruptFileError if an index does not fit them.
    """
    return {
        name: EXACT
        if stated.way == "exact"
        else Shortlisted(open_index(folder, name, stated, items))
        for name, stated in statement.parts().items()
    }


def open_index(folder: Path, name: str, stated: Search, items: int) -> CellIndex:
    """Return one index of the folder."""
    return open_cells(*find_files(folder, name), items, stated.probes, stated.shortlist)


def find_files(folder: Path, name: str) -> tuple[Path, Path]:
    """Return the two files of an index: the items in cells, and what projects a query."""
    return folder / f"{name}.faiss", folder / f"{name}.safetensors"

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.files import hash_tree
from components.models.bundle import load_bundle
from components.models.overlay import Overlay
from components.models.predictor import Predictor
from components.models.search import EXACT, Shortlisted
from components.params import IndexOptions, Retrieval
from components.retrieval.making import choose, count_items, make_indexes
from components.retrieval.opening import open_searchers
from components.retrieval.statement import Search, Statement

MANY = IndexOptions(index_from=1000, width=8, shortlist=10)


def test_an_index_is_chosen_by_the_number_of_items() -> None:
    retrieval = Retrieval(looks=MANY)
    assert choose(999, retrieval) == []
    assert choose(1000, retrieval) == ["looks"]
    assert choose(10**6, retrieval) == ["tastes", "looks"]
    assert choose(10**6, None) == []


def test_below_that_number_nothing_is_read_or_written(wide_bundle: Path, tmp_path: Path) -> None:
    assert count_items(wide_bundle) == 400
    assert make_indexes(wide_bundle, Retrieval(), tmp_path / "index") == Statement()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def made(
    wide_bundle: Path,
    forced: Callable[..., Retrieval],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Statement]:
    folder = tmp_path_factory.mktemp("made") / "index"
    return folder, make_indexes(wide_bundle, forced(), folder)


def test_the_statement_says_what_was_measured(made: tuple[Path, Statement]) -> None:
    stated = made[1]
    assert stated.tastes.way == stated.looks.way == "index"
    assert stated.looks.name == "PCA64,IVF49,SQfp16"
    assert (stated.looks.k, stated.looks.questions, stated.tastes.questions) == (5, 100, 2)
    assert stated.looks.recall >= 0.98
    assert stated.looks.describe() == f"PCA64,IVF49,SQfp16, recall@5 {stated.looks.recall:.4f}"
    assert Statement.from_json(stated.to_json()) == stated


def test_the_same_bundle_gives_the_same_bytes_and_statement(
    made: tuple[Path, Statement],
    wide_bundle: Path,
    forced: Callable[..., Retrieval],
    tmp_path: Path,
) -> None:
    assert make_indexes(wide_bundle, forced(), tmp_path / "index") == made[1]
    assert hash_tree(tmp_path / "index") == hash_tree(made[0])
    assert sorted(hash_tree(made[0])) == [
        *("looks.faiss", "looks.safetensors", "tastes.faiss", "tastes.safetensors")
    ]


def test_fewer_numbers_an_item_find_less(
    wide_bundle: Path, forced: Callable[..., Retrieval], tmp_path: Path
) -> None:
    poor = make_indexes(wide_bundle, forced(width=1, shortlist=0), tmp_path / "index")
    assert poor.looks.recall < 0.9
    assert poor.looks.probes > 4


def test_items_without_image_are_no_part_of_the_looks(
    made: tuple[Path, Statement],
    wide_bundle: Path,
    served_bundle: Path,
    forced: Callable[..., Retrieval],
    tmp_path: Path,
) -> None:
    index = open_searchers(*made, items=400)["looks"]
    assert isinstance(index, Shortlisted)
    assert index.index.inverted.ntotal == 399  # type: ignore[attr-defined]
    # Of 12 items eleven have one, too few to make an index of; their ratings are no matter of it.
    twelve = IndexOptions(index_from=12, width=8, shortlist=10)
    stated = make_indexes(served_bundle, forced(tastes=twelve, looks=twelve), tmp_path / "index")
    assert (stated.tastes.way, stated.looks) == ("index", Search())


def test_lists_by_index_are_lists_with_the_exact_scores(
    made: tuple[Path, Statement], wide_bundle: Path
) -> None:
    bundle = load_bundle(wide_bundle)
    exact = Predictor(bundle)
    indexed = Predictor(bundle, **open_searchers(*made, items=400))
    nothing = np.zeros(0, np.int64)
    for item in range(100, 140):
        look_E = bundle.catalogue.embeddings_IE[item]
        mates = indexed.neighbours(look_E, 5, np.array([item]))
        expected = exact.neighbours(look_E, 5, np.array([item]))
        assert [one.score for one in mates] == pytest.approx([one.score for one in expected])
    user = exact.fold_user("u1")
    assert indexed.rank(user, 9, nothing) == exact.rank(user, 9, nothing)
    sea_I = exact.categories.mask("portrait")
    assert indexed.rank(user, 9, nothing, sea_I) == exact.rank(user, 9, nothing, sea_I)
    assert len(indexed.rank(user, 500, nothing)) == 400


def test_items_that_came_since_are_found_beside_the_index_and_withdrawn_ones_are_not(
    made: tuple[Path, Statement], wide_bundle: Path
) -> None:
    bundle = load_bundle(wide_bundle)
    look_E = bundle.catalogue.embeddings_IE[77]
    overlay = Overlay(
        pd.DataFrame([{"item_id": "new", "title": "", "category": "", "images": ["0" * 64]}]),
        look_E[None, :] * 2,
        np.ones(1, bool),
        pd.DataFrame({"item_id": [], "title": [], "category": []}),
        ("i77", "i399"),
    )
    indexed = Predictor(bundle, overlay, **open_searchers(*made, items=400))
    nothing = np.zeros(0, np.int64)
    best, *others = [one.item_id for one in indexed.neighbours(look_E, 6, nothing)]
    assert best == "new"
    assert "i77" not in others
    # i399 has the best bias of all; a new item without ratings has none.
    user = indexed.fold_user("u1")
    assert [one.item_id for one in indexed.rank(user, 3, nothing)] == ["i398", "i397", "i396"]
    assert len(indexed.rank(user, 500, nothing)) == 399


def test_a_tilted_look_is_found_by_direction_not_by_length(
    made: tuple[Path, Statement], wide_bundle: Path
) -> None:
    bundle = load_bundle(wide_bundle)
    indexed = Predictor(bundle, **open_searchers(*made, items=400))
    look_E = bundle.catalogue.embeddings_IE[77]
    nothing = np.zeros(0, np.int64)
    (found,) = indexed.neighbours(1000 * look_E, 1, nothing)
    assert found.item_id == "i77"
    assert found.score == pytest.approx(1, abs=1e-5)


EXACTLY = """
import sys
from pathlib import Path
import numpy as np
from components.models.bundle import load_bundle
from components.models.predictor import Predictor
from components.params import Retrieval
from components.retrieval.making import make_indexes
from components.retrieval.opening import open_searchers
served = Path(sys.argv[1])
stated = make_indexes(served, Retrieval(), Path(sys.argv[2]))
predictor = Predictor(load_bundle(served), **open_searchers(Path(sys.argv[2]), stated, 400))
predictor.rank(predictor.fold_user("u1"), 5, np.zeros(0, np.int64))
print("faiss" in sys.modules)
"""


def test_where_all_is_exact_faiss_is_not_even_imported(wide_bundle: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", EXACTLY, str(wide_bundle), str(tmp_path / "index")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "False"
    assert open_searchers(tmp_path, Statement(), 400) == {"tastes": EXACT, "looks": EXACT}

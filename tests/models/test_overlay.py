"""A catalogue that changed since its bundle was learnt: what it shows, what it never touches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import CorruptFileError
from components.models.bundle import Bundle
from components.models.families import FAMILIES
from components.models.overlay import (
    Overlay,
    find_withdrawn,
    read_counts,
    read_overlay,
    read_overlay_digest,
    verify_overlay,
    widen,
    write_overlay,
)
from components.models.predictor import Predictor

NOTHING = np.zeros(0, np.int64)
NEW = ["new-a", "new-b", "new-bare"]
BUNDLE = "b" * 64


def lay(
    bundle: Bundle,
    *,
    withdrawn: tuple[str, ...] = (),
    renamed: dict[str, str] | None = None,
    new: int = len(NEW),
) -> Overlay:
    """Return an overlay of some items whose looks are mixed of those of learnt ones."""
    looks_IE = bundle.catalogue.embeddings_IE
    embeddings_AE = np.stack([looks_IE[0] + looks_IE[1], looks_IE[2] / 2, looks_IE[0] * 0])[:new]
    items = pd.DataFrame({"item_id": NEW, "title": NEW, "category": ["fresh", "night", ""]})
    items["images"] = [["a" * 64], ["b" * 64], []]
    names = pd.DataFrame({"item_id": list(renamed or {}), "title": list((renamed or {}).values())})
    has_image_A = np.array([True, True, False])[:new]
    renames = names.assign(category="renamed")
    return Overlay(items[:new], embeddings_AE.astype(np.float32), has_image_A, renames, withdrawn)


@pytest.fixture(params=sorted(FAMILIES))
def bundle(request: pytest.FixtureRequest, learn: Callable[[str], Bundle]) -> Bundle:
    return learn(request.param)


def test_what_was_learnt_is_answered_for_to_the_bit_as_before(bundle: Bundle) -> None:
    before = Predictor(bundle)
    after = Predictor(bundle, lay(bundle, withdrawn=("i003",), renamed={"i004": "other"}))
    known = len(bundle.catalogue)
    for user in (*bundle.users.user_ids, None):
        side = before.fold_user(user)
        again = after.fold_user(user)
        np.testing.assert_array_equal(side.vectors_BD, again.vectors_BD)
        np.testing.assert_array_equal(before.score(side), after.score(again)[:known])
    look_E = bundle.catalogue.embeddings_IE[5]
    ids = bundle.catalogue.items["item_id"].tolist()
    told = {one.item_id: one.score for one in after.neighbours(look_E, 100, NOTHING)}
    for one in before.neighbours(look_E, 100, NOTHING):
        if one.item_id != "i003":
            assert told[one.item_id] == one.score
    users = ["u0"] * len(ids)
    np.testing.assert_array_equal(before.predict(users, ids), after.predict(users, ids))


def test_new_items_are_answered_for_as_their_images_uploaded(bundle: Bundle) -> None:
    overlay = lay(bundle)
    predictor = Predictor(bundle, overlay)
    uploaded = [predictor.fold_image(look_E) for look_E in overlay.embeddings_AE]
    listed = predictor.item_side(NEW)
    for row, side in enumerate(uploaded):
        np.testing.assert_allclose(listed.vectors_BD[row], side.vectors_BD[0], atol=1e-5)
        assert listed.paths[row] == side.paths[0]
    assert (predictor.appended, len(predictor.bundle.catalogue)) == (3, len(bundle.catalogue) + 3)


def test_model_that_is_told_of_new_items_sees_them_as_it_sees_images(bundle: Bundle) -> None:
    overlay = lay(bundle)
    known = len(bundle.catalogue)
    wider = widen(bundle, overlay).known_items()
    folded = bundle.recommender().fold_items(overlay.embeddings_AE)
    np.testing.assert_allclose(wider.vectors_BD[known:], folded.vectors_BD, atol=1e-5)
    np.testing.assert_allclose(wider.bias_B[known:], folded.bias_B, atol=1e-5)


@pytest.mark.parametrize("family", ["content", "hybrid", "gru", "sasrec", "finetuned", "biases"])
def test_rating_of_a_new_item_counts_at_once(learn: Callable[[str], Bundle], family: str) -> None:
    bundle = learn(family)
    predictor = Predictor(bundle, lay(bundle))
    liked, unknown = predictor.read_history([("new-a", 5.0)])
    hated, _ = predictor.read_history([("new-a", 1.0)])
    assert unknown == []
    fond, cross, nobody = (
        predictor.score(predictor.fold_user(None, history)).mean()
        for history in (liked, hated, None)
    )
    assert cross < fond
    assert nobody != fond
    both = predictor.fold_all(["u0", None], [None, liked])
    assert both.paths[1] == "history"
    np.testing.assert_array_equal(both.vectors_BD[0], predictor.fold_user("u0").vectors_BD[0])


def test_new_item_is_found_by_its_category_and_by_its_look(learn: Callable[[str], Bundle]) -> None:
    bundle = learn("hybrid")
    overlay = lay(bundle)
    predictor = Predictor(bundle, overlay)
    side = predictor.fold_user("u0")
    fresh = predictor.rank(side, 5, NOTHING, predictor.categories.mask("fresh"))
    assert [one.item_id for one in fresh] == ["new-a"]
    assert predictor.neighbours(overlay.embeddings_AE[0], 1, NOTHING)[0].item_id == "new-a"
    trending = predictor.recommend(predictor.fold_user(None), 100, NOTHING)
    assert trending.path == "rules"
    assert set(NEW) <= {one.item_id for one in trending.items}


def test_other_names_are_shown_and_found(learn: Callable[[str], Bundle]) -> None:
    bundle = learn("hybrid")
    predictor = Predictor(bundle, lay(bundle, renamed={"i004": "other"}, new=0))
    row = predictor.bundle.catalogue.items.set_index("item_id").loc["i004"]
    assert (row["title"], row["category"]) == ("other", "renamed")
    mask_I = predictor.categories.mask("renamed")
    assert predictor.bundle.catalogue.ids(np.flatnonzero(mask_I)) == ["i004"]
    assert predictor.appended == 0


IDS = [f"i{row:03d}" for row in range(24)] + NEW


@settings(max_examples=40, deadline=None)
@given(
    family=st.sampled_from(["hybrid", "content", "biases", "mean"]),
    withdrawn=st.sets(st.sampled_from([*IDS, "gone"])),
    k=st.integers(1, 40),
    user=st.sampled_from(["u0", "u7", None]),
    liked=st.sampled_from([*IDS, None]),
)
def test_no_list_ever_holds_what_is_withdrawn(
    learn: Callable[[str], Bundle],
    family: str,
    withdrawn: set[str],
    k: int,
    user: str | None,
    liked: str | None,
) -> None:
    bundle = learn(family)
    predictor = Predictor(bundle, lay(bundle, withdrawn=tuple(sorted(withdrawn))))
    history = predictor.read_history([] if liked is None else [(liked, 5.0)])[0]
    recommended = predictor.recommend(predictor.fold_user(user, history), k, NOTHING).items
    look_E = predictor.bundle.catalogue.embeddings_IE[0]
    shown = {one.item_id for one in (*recommended, *predictor.neighbours(look_E, k, NOTHING))}
    assert not shown & withdrawn
    assert len(recommended) == min(k, len(IDS) - len(withdrawn - {"gone"}))


@pytest.mark.parametrize("cell", ["false", "No", " 0 "])
def test_bundle_keeps_to_its_own_column_where_nothing_was_refreshed(
    learn: Callable[[str], Bundle], cell: str
) -> None:
    bundle = learn("content")
    catalogue = bundle.catalogue
    cells = [cell] + ["", "true", "YES"] * 8
    marked = catalogue.items.assign(available=cells[: len(catalogue)])
    own = type(catalogue)(marked, catalogue.embeddings_IE, catalogue.has_image_I)
    predictor = Predictor(Bundle(**{**vars(bundle), "catalogue": own}))
    assert predictor.withdrawn.tolist() == [0]
    listed = predictor.rank(predictor.fold_user("u0"), 100, NOTHING)
    assert "i000" not in {one.item_id for one in listed}
    # What a refresh says counts instead.
    assert find_withdrawn(own, lay(bundle, withdrawn=("i001",))).tolist() == [1]


def write(bundle: Bundle, folder: Path) -> str:
    return write_overlay(lay(bundle, withdrawn=("i001",), renamed={"i002": "x"}), BUNDLE, folder)


def test_written_and_read_it_is_the_same(learn: Callable[[str], Bundle], tmp_path: Path) -> None:
    bundle = learn("mean")
    digest = write(bundle, tmp_path / "a")
    assert write(bundle, tmp_path / "b") == digest == verify_overlay(tmp_path / "a")
    assert read_overlay_digest(tmp_path / "a") == digest
    read, made = read_overlay(tmp_path / "a", BUNDLE, digest), lay(bundle)
    np.testing.assert_array_equal(read.embeddings_AE, made.embeddings_AE)
    assert read.appended["item_id"].tolist() == NEW
    assert read.withdrawn == ("i001",)
    assert read_counts(tmp_path / "a") == {"appended": 3, "renamed": 1, "withdrawn": 1}


@pytest.mark.parametrize(
    "name",
    ["appended.parquet", "appended.safetensors", "renamed.parquet", "withdrawn.parquet"],
)
@pytest.mark.parametrize("change", ["flip", "remove"])
def test_byte_that_changed_refuses_it(
    learn: Callable[[str], Bundle], tmp_path: Path, name: str, change: str
) -> None:
    write(learn("mean"), tmp_path / "a")
    path = tmp_path / "a" / name
    content = path.read_bytes()
    path.unlink()
    if change == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CorruptFileError, match=rf"{name} is (changed|missing).*catalogue refresh"):
        read_overlay(tmp_path / "a", BUNDLE)


def test_overlay_of_another_bundle_or_order_is_refused(
    learn: Callable[[str], Bundle], tmp_path: Path
) -> None:
    write(learn("mean"), tmp_path / "a")
    with pytest.raises(CorruptFileError, match="belongs to the bundle bbbb"):
        read_overlay(tmp_path / "a", "c" * 64)
    with pytest.raises(CorruptFileError, match="another one than was ordered"):
        read_overlay(tmp_path / "a", BUNDLE, "d" * 64)
    with pytest.raises(CorruptFileError, match=r"manifest\.json is missing"):
        read_overlay(tmp_path / "nothing", BUNDLE)
    with pytest.raises(CorruptFileError, match=r"manifest\.json is missing"):
        read_overlay_digest(tmp_path / "nothing")

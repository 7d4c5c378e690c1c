import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.batches import batch_folder
from components.errors import CorruptFileError, ValidationError
from components.files import hash_tree, read_json, read_parquet
from components.params import Params
from components.paths import Workspace
from components.settings import Settings
from components.validation.step import validate

from .conftest import draw, rate, show

SETTINGS = Settings(device="cpu")


def read_folder(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return tuple(read_parquet(folder / f"{n}.parquet") for n in ("ratings", "items", "images"))


def hash_outputs(workspace: Workspace) -> dict[str, str]:
    folders = (workspace.accepted, workspace.quarantine, workspace.validation_report)
    return {f"{f.name}/{n}": sha for f in folders for n, sha in hash_tree(f).items()}


def test_good_data_are_accepted_whole_and_the_same_bytes_come_again(
    workspace: Workspace, params: Params, add_batch, pictures: list[bytes]
) -> None:
    batch = add_batch(rate(12, 12), show(*([p] for p in pictures)), pictures)
    validate(workspace, params, SETTINGS)
    ratings, items, images = read_folder(workspace.accepted)
    assert ratings.columns.tolist() == ["user_id", "item_id", "rating", "timestamp", "batch"]
    assert len(ratings) == 144
    assert items.columns.tolist() == ["item_id", "images", "title", "category"]
    assert [len(shown) for shown in items["images"]] == [1] * 12
    assert images.columns.tolist() == [
        *("sha256", "path", "width", "height", "mode"),
        *("brightness", "contrast", "thumbnail", "batch"),
    ]
    assert [len(bytes.fromhex(small)) for small in images["thumbnail"]] == [192] * 12
    assert images["sha256"].is_monotonic_increasing
    assert (workspace.root / images["path"][0]).is_file()
    assert images["path"][0].startswith(f"data/raw/batches/{batch.id}/images/")
    assert [len(table) for table in read_folder(workspace.quarantine)] == [0, 0, 0]
    summary = read_json(workspace.validation_report / "summary.json")
    assert summary["passed"] is True
    assert summary["ratings"]["accepted"] == 144
    before = hash_outputs(workspace)
    assert {"validation/docs/index.html", "validation/results.json"} <= before.keys()
    for path in (batch_folder(workspace, batch.id) / "images").iterdir():
        path.write_bytes(bytes(path.stat().st_size))  # not read again once they were verified
    validate(workspace, params, SETTINGS)
    assert hash_outputs(workspace) == before


def test_bad_rows_within_the_budget_go_to_quarantine_with_their_reasons(
    workspace: Workspace, change: Callable[..., Params], add_batch, pictures: list[bytes]
) -> None:
    blank, tiny, broken = _blank(), draw(50, (8, 8)), b"no image at all"
    items = show(*([p] for p in pictures), [blank], [tiny, pictures[0]], [broken])
    items.loc[len(items)] = ["i000", [], "again", ""]
    ratings = rate(12, 12)
    ratings.loc[0, "rating"] = 9.0
    ratings.loc[1, "rating"] = np.nan
    ratings.loc[2, "item_id"] = "stranger"
    add_batch(ratings, items, [*pictures, blank, tiny, broken])
    budget = change().validation.budget.model_copy(
        update={"ratings": 0.1, "items": 0.1, "images": 0.3}
    )
    validate(workspace, change(budget=budget), SETTINGS)
    refused_ratings, refused_items, refused_images = read_folder(workspace.quarantine)
    assert sorted(refused_ratings["reason"]) == [
        "names an item that is not accepted",
        "rating is missing",
        "rating is not within 0.5 to 5",
    ]
    assert refused_ratings.columns.tolist() == [*ratings.columns, "batch", "reason"]
    assert refused_items[["title", "reason"]].to_numpy().tolist() == [
        ["again", "stands twice in its batch"]
    ]
    reasons = " | ".join(sorted(refused_images["reason"]))
    assert re.search(r"blank \| does not decode \(the file is not .*narrower than 32", reasons)
    accepted_ratings, accepted_items, accepted_images = read_folder(workspace.accepted)
    assert len(accepted_ratings) == 141
    by_item = accepted_items.set_index("item_id")
    assert by_item["title"]["i000"] == "i000"
    assert [len(by_item["images"][i]) for i in ("i012", "i013", "i014")] == [0, 1, 0]
    assert len(accepted_images) == 12
    summary = read_json(workspace.validation_report / "summary.json")
    assert summary["images"]["refused"] == 3
    assert summary["items"]["warnings"]["has no usable image"] == 2
    assert summary["items"]["warnings"]["has no rating"] == 3


def _blank() -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "PNG")
    return buffer.getvalue()


def test_too_many_bad_rows_fail_closed_and_say_how_many_and_what_next(
    workspace: Workspace, params: Params, add_batch, pictures: list[bytes]
) -> None:
    add_batch(rate(12, 12), show(*([p] for p in pictures)), pictures)
    validate(workspace, params, SETTINGS)
    bad = rate(1, 12, seed=1).assign(user_id="bad", rating=7.0)
    add_batch(bad)
    with pytest.raises(ValidationError) as caught:
        validate(workspace, params, SETTINGS)
    said = str(caught.value)
    assert "ratings: 12 of 156 rows are refused, the budget is 2.0%" in said
    assert "12 × rating is not within 0.5 to 5; first: user_id 'bad'" in said
    assert "beholder withdraw" in said
    assert "\n" not in said
    assert not workspace.accepted.exists()
    assert len(read_parquet(workspace.quarantine / "ratings.parquet")) == 12
    summary = read_json(workspace.validation_report / "summary.json")
    assert summary["passed"] is False
    assert summary["failures"][0] in said
    assert (workspace.validation_report / "docs/budget.html").is_file()


def test_no_batch_fails_and_names_ingest(workspace: Workspace, params: Params) -> None:
    with pytest.raises(ValidationError, match=r"min_ratings 100 \(found 0\).*beholder ingest"):
        validate(workspace, params, SETTINGS)
    assert not workspace.accepted.exists()


def test_column_of_nothing_but_nan_fails(
    workspace: Workspace, params: Params, add_batch, pictures: list[bytes]
) -> None:
    ratings = rate(12, 12).assign(rating=np.nan)
    add_batch(ratings, show(*([p] for p in pictures)), pictures)
    with pytest.raises(ValidationError, match=r"144 of 144 rows.*rating is missing"):
        validate(workspace, params, SETTINGS)


def test_feedback_that_differs_is_told_and_not_refused(
    workspace: Workspace, change: Callable[..., Params], add_batch, pictures: list[bytes]
) -> None:
    add_batch(rate(12, 12), show(*([p] for p in pictures)), pictures)
    liked = add_batch(rate(12, 12).assign(rating=5.0), origin="feedback")
    drift = change().validation.drift.model_copy(update={"min_rows": 100})
    validate(workspace, change(drift=drift), SETTINGS)
    summary = read_json(workspace.validation_report / "summary.json")
    assert summary["drift"][liked.id]["rating"] > 0.5


def test_drifting_batch_fails_until_it_is_accepted_by_name(
    workspace: Workspace, change: Callable[..., Params], add_batch, pictures: list[bytes]
) -> None:
    add_batch(rate(12, 12), show(*([p] for p in pictures)), pictures)
    liked = rate(12, 12).assign(rating=5.0)
    liked["timestamp"] += 10**6
    drifting = add_batch(liked)
    drift = change().validation.drift.model_copy(update={"min_rows": 100})
    with pytest.raises(ValidationError) as caught:
        validate(workspace, change(drift=drift), SETTINGS)
    said = str(caught.value)
    assert f"batch {drifting.id} differs from everything before it (rating by" in said
    assert "validation.drift.accepted" in said
    assert f"beholder withdraw {drifting.id}" in said
    looked_at = drift.model_copy(update={"accepted": (drifting.id,)})
    validate(workspace, change(drift=looked_at), SETTINGS)
    summary = read_json(workspace.validation_report / "summary.json")
    assert summary["drift"][drifting.id]["rating"] > 0.5
    assert summary["ratings"]["superseded"] == 144
    ratings = read_parquet(workspace.accepted / "ratings.parquet")
    assert (ratings["rating"] == 5.0).all()
    assert (ratings["batch"] == 1).all()


def test_image_with_a_flipped_byte_stops_the_step(
    workspace: Workspace, params: Params, add_batch, pictures: list[bytes]
) -> None:
    batch = add_batch(rate(12, 12), show(*([p] for p in pictures)), pictures)
    path = next((batch_folder(workspace, batch.id) / "images").iterdir())
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=path.name):
        validate(workspace, params, SETTINGS)


def test_image_of_a_later_batch_is_read_only_for_what_is_new(
    workspace: Workspace, params: Params, add_batch, pictures: list[bytes]
) -> None:
    first = add_batch(rate(12, 12), show(*([p] for p in pictures)), pictures)
    validate(workspace, params, SETTINGS)
    for path in (batch_folder(workspace, first.id) / "images").iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    new = draw(99)
    add_batch(items=show([new]).assign(item_id="fresh"), images=[new])
    validate(workspace, params, SETTINGS)
    items = read_parquet(workspace.accepted / "items.parquet")
    assert "fresh" in items["item_id"].tolist()
    assert len(read_parquet(workspace.accepted / "images.parquet")) == 13


@pytest.mark.real_data
def test_posters_are_accepted_the_greyscale_one_too(
    workspace: Workspace, params: Params, add_batch, posters: Path
) -> None:
    names = ["1789", *(str(n) for n in range(1, 150) if (posters / f"images/{n}.jpg").is_file())]
    contents = [(posters / f"images/{name}.jpg").read_bytes() for name in names]
    add_batch(rate(10, len(names)), show(*([content] for content in contents)), contents)
    validate(workspace, params, SETTINGS)
    _, items, images = read_folder(workspace.accepted)
    assert len(items) == len(names) > 100
    assert "L" in images["mode"].tolist()

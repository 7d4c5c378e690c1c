from pathlib import Path

import pandas as pd
import pytest

from components.batches import batch_folder, read_batches
from components.errors import CorruptFileError
from components.files import read_parquet, write_parquet
from components.paths import Workspace
from components.validation.tables import read_tables


def rate(users: int, items: int) -> pd.DataFrame:
    pairs = [(f"u{user}", f"i{item}", 1.0, 1) for user in range(users) for item in range(items)]
    return pd.DataFrame(pairs, columns=["user_id", "item_id", "rating", "timestamp"])


def test_rows_carry_the_ordinal_of_their_batch(workspace: Workspace, add_batch) -> None:
    add_batch(rate(1, 2))
    add_batch(rate(2, 1))
    tables = read_tables(workspace, read_batches(workspace))
    assert tables.ratings["batch"].tolist() == [0, 0, 1, 1]
    assert tables.items.empty
    assert tables.images.columns.tolist() == ["sha256", "file", "source", "bytes", "batch"]


def test_column_that_one_batch_lacks_is_empty_there(workspace: Workspace, add_batch) -> None:
    plain = {"item_id": ["a"], "images": [[]], "title": ["A"], "category": [""]}
    add_batch(items=pd.DataFrame(plain))
    add_batch(items=pd.DataFrame({**plain, "year": ["1999"]}))
    items = read_tables(workspace, read_batches(workspace)).items
    assert items["year"].tolist() == ["", "1999"]


def test_no_batches_give_empty_tables(workspace: Workspace) -> None:
    tables = read_tables(workspace, ())
    assert tables.ratings.empty
    assert "user_id" in tables.ratings


def remove_folder(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def change_row(folder: Path) -> None:
    ratings = read_parquet(folder / "ratings.parquet")
    write_parquet(folder / "ratings.parquet", ratings.assign(rating=2.0))


def flip_byte(folder: Path) -> None:
    path = folder / "ratings.parquet"
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)


def remove_image(folder: Path) -> None:
    next((folder / "images").iterdir()).unlink()


def shorten_image(folder: Path) -> None:
    path = next((folder / "images").iterdir())
    path.write_bytes(path.read_bytes()[:-1])


def add_image(folder: Path) -> None:
    (folder / "images/stranger.png").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (remove_folder, "is missing"),
        (change_row, "do not have the hash"),
        (flip_byte, "ratings.parquet"),
        (remove_image, "is missing"),
        (shorten_image, "another size"),
        (add_image, "stranger.png"),
    ],
)
def test_damaged_batch_is_named_with_the_way_to_mend_it(
    workspace: Workspace, add_batch, pictures: list[bytes], damage, said: str
) -> None:
    batch = add_batch(rate(3, 3), images=pictures[:2])
    damage(batch_folder(workspace, batch.id))
    with pytest.raises(CorruptFileError, match=said) as caught:
        read_tables(workspace, read_batches(workspace))
    assert f"beholder fetch {batch.id}" in str(caught.value)

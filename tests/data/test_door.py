from pathlib import Path

import pytest

from components.data.demo import Demo
from components.data.door import read_arrival
from components.errors import DataError
from components.files import hash_file

LIMIT = 1_000_000


@pytest.fixture
def images(tmp_path: Path, picture: bytes) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(picture)
    (folder / "b.jpg").write_bytes(picture + b"other")
    return folder


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_drawn_files_come_in_whole(small_demo: Demo) -> None:
    arrival = read_arrival(small_demo.items, small_demo.images, small_demo.ratings, LIMIT)
    batch = arrival.batch()
    assert (batch.items, batch.images, batch.ratings) == (24, 24, 150)
    assert arrival.refused == []
    assert arrival.unused_images == 0
    assert batch.id == batch.sha256[:16]


def test_rows_in_another_order_make_the_same_batch(small_demo: Demo, tmp_path: Path) -> None:
    header, *rows = small_demo.ratings.read_text().splitlines()
    shuffled = write(tmp_path, "ratings.csv", header, *rows[::-1])
    batch = read_arrival(None, None, small_demo.ratings, LIMIT).batch()
    assert read_arrival(None, None, shuffled, LIMIT).batch() == batch


def test_one_other_rating_makes_another_batch(small_demo: Demo, tmp_path: Path) -> None:
    header, *rows = small_demo.ratings.read_text().splitlines()
    fewer = write(tmp_path, "ratings.csv", header, *rows[1:])
    batch = read_arrival(None, None, small_demo.ratings, LIMIT).batch()
    assert read_arrival(None, None, fewer, LIMIT).batch().id != batch.id


def test_item_whose_image_is_refused_comes_in_without_it(images: Path, tmp_path: Path) -> None:
    items = write(tmp_path, "items.csv", "item_id,images", "1,a.jpg|gone.jpg", "2,../a.jpg", "3,")
    arrival = read_arrival(items, images, None, LIMIT)
    sha = hash_file(images / "a.jpg")
    assert arrival.items["images"].tolist() == [[sha], [], []]
    assert [(refusal.table, refusal.row, refusal.value) for refusal in arrival.refused] == [
        ("images", 1, "gone.jpg"),
        ("images", 2, "../a.jpg"),
    ]
    assert arrival.unused_images == 1


def test_same_picture_under_two_names_is_one_image(images: Path, tmp_path: Path) -> None:
    (images / "c.jpg").write_bytes((images / "a.jpg").read_bytes())
    items = write(tmp_path, "items.csv", "item_id,images", "1,a.jpg|c.jpg", "2,c.jpg")
    arrival = read_arrival(items, images, None, LIMIT)
    sha = hash_file(images / "a.jpg")
    assert arrival.items["images"].tolist() == [[sha], [sha]]
    assert list(arrival.images) == [sha]


def test_images_alone_make_items_of_their_stems(images: Path, picture: bytes) -> None:
    (images / "more").mkdir()
    (images / "more/a.png").write_bytes(picture + b"a second view")
    (images / "notes.txt").write_text("no image")
    arrival = read_arrival(None, images, None, LIMIT)
    assert arrival.items["item_id"].tolist() == ["a", "b"]
    assert arrival.items["images"].map(len).tolist() == [2, 1]
    assert [str(refusal) for refusal in arrival.refused] == [
        "images: images 'notes.txt' is neither JPEG, PNG nor WebP"
    ]


def test_items_that_name_images_need_a_folder(tmp_path: Path) -> None:
    items = write(tmp_path, "items.csv", "item_id,image", "1,a.jpg")
    with pytest.raises(DataError, match=r"1 of 1 rows name images \(first: 'a.jpg'\)"):
        read_arrival(items, None, None, LIMIT)


def test_items_without_an_image_come_in(tmp_path: Path) -> None:
    items = write(tmp_path, "items.csv", "item_id,title", "2,B", "1,A")
    arrival = read_arrival(items, None, None, LIMIT)
    assert arrival.items[["item_id", "title"]].values.tolist() == [["1", "A"], ["2", "B"]]
    assert arrival.images == {}


def test_nothing_left_is_told_with_the_first_refusal(tmp_path: Path) -> None:
    ratings = write(tmp_path, "r.csv", "user_id,item_id,rating,timestamp", "u,i,bad,1", "u,,3,1")
    with pytest.raises(DataError, match="2 refused, first refused: ratings row 1: rating 'bad'"):
        read_arrival(None, None, ratings, LIMIT)


def test_nothing_given_empty_folder_and_no_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name at least one"):
        read_arrival(None, None, None, LIMIT)
    with pytest.raises(DataError, match="is no folder"):
        read_arrival(None, tmp_path / "none", None, LIMIT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="nothing is left"):
        read_arrival(None, tmp_path / "empty", None, LIMIT)


@pytest.mark.real_data
def test_posters_come_in_whole(posters: Path) -> None:
    arrival = read_arrival(
        posters / "items.csv", posters / "images", posters / "ratings.csv", LIMIT
    )
    batch = arrival.batch()
    assert (batch.items, batch.ratings, len(arrival.refused)) == (3872, 58_492, 0)
    assert arrival.items.columns.tolist()[-1] == "genres"

import pandas as pd

from components.validation.columns import describe_images, describe_items, describe_ratings


def test_look_is_given_once_for_the_same_bytes_and_showings_are_counted() -> None:
    images = pd.DataFrame({"sha256": ["a", "b", "a"], "batch": [0, 0, 1]})
    facts = pd.DataFrame(
        {"sha256": ["a", "b"], "width": [1000.0, None], "height": [2000.0, None]}
    ).assign(dhash=["00", None])
    items = pd.DataFrame({"item_id": ["x", "y", "z"], "images": [["a"], ["a"], []]})
    rows = describe_images(images, facts, items)
    assert rows["shown_by"].tolist() == [2, 0, 2]
    assert rows["look"].fillna("").tolist() == ["00", "", ""]
    assert rows["megapixels"].fillna(-1).tolist() == [2.0, -1.0, 2.0]
    assert rows["batch"].tolist() == [0, 0, 1]


def test_images_of_an_item_are_counted_over_all_its_rows() -> None:
    rows = pd.DataFrame(
        {
            "item_id": ["x", "x", "x", "y", ""],
            "images": [["a"], ["gone"], [], ["a", "bad", "gone"], []],
            "batch": [0, 0, 1, 1, 1],
        }
    )
    described = describe_items(rows, present={"a", "bad"}, usable={"a"})
    assert described["earlier_in_batch"].tolist() == [0, 1, 0, 0, 0]
    assert described["usable_images"].tolist() == [1, 1, 1, 1, 0]
    assert described["absent_images"].tolist() == [0, 0, 0, 1, 0]


def test_no_images_and_no_items_are_described_by_no_rows() -> None:
    nothing = pd.DataFrame({"sha256": [], "batch": []})
    facts = pd.DataFrame({"sha256": [], "width": [], "height": [], "dhash": []})
    items = pd.DataFrame({"item_id": [], "images": [], "batch": []})
    assert describe_images(nothing, facts, items).empty
    assert describe_items(items, set(), set()).empty


def test_rating_of_an_item_that_is_not_accepted_has_no_item_row() -> None:
    rows = pd.DataFrame({"item_id": ["x", "y"], "rating": [1.0, 2.0]})
    assert describe_ratings(rows, {"y"})["item_rows"].tolist() == [0, 1]

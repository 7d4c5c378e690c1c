from dataclasses import replace

from components.batches import Batch
from components.review.changes import Change, Inputs, Totals, find_changes, read_packages

A, B, C = (
    Batch(name * 16, name * 64, 1, 2, ratings) for name, ratings in (("a", 10), ("b", 5), ("c", 7))
)
MADE = Inputs(
    batches=(A, B),
    params={"train.family": "hybrid", "train.seed": 0, "split.cold": None},
    code={"train": "1" * 64, "embed": "2" * 64},
    packages={"torch": "2.15.0", "numpy": "2.3"},
    commit="f" * 40,
)


def test_same_inputs_differ_in_nothing():
    found = find_changes(MADE, MADE)
    assert found.data is not None
    assert (found.data.added, found.data.removed, found.data.is_reordered) == ((), (), False)
    assert (found.params, found.code, found.packages, found.commit) == ((), (), (), None)


def test_batches_that_came_and_went_are_told_with_all_that_came_in():
    data = find_changes(MADE, replace(MADE, batches=(A, C))).data
    assert data is not None
    assert (data.added, data.removed) == ((C,), (B,))
    assert data.before == Totals(batches=2, ratings=15, items=2, images=4)
    assert data.after == Totals(batches=2, ratings=17, items=2, images=4)
    assert not data.is_reordered


def test_same_batches_in_another_order_are_no_same_data():
    data = find_changes(MADE, replace(MADE, batches=(B, A))).data
    assert data is not None
    assert data.is_reordered
    assert (data.added, data.removed) == ((), ())


def test_keys_that_differ_came_or_went_are_told_in_order():
    params = {"train.family": "mf", "train.seed": 0, "split.fold": [1, 2]}
    assert find_changes(MADE, replace(MADE, params=params)).params == (
        Change("split.cold", "none", None),
        Change("split.fold", None, "1, 2"),
        Change("train.family", "hybrid", "mf"),
    )


def test_who_decides_is_no_change_of_a_result():
    after = replace(MADE, params={**(MADE.params or {}), "review.policy": "required"})
    assert find_changes(MADE, after).params == ()


def test_values_that_python_takes_for_equal_are_told_apart():
    before, after = replace(MADE, params={"a": 1}), replace(MADE, params={"a": True})
    assert find_changes(before, after).params == (Change("a", "1", "true"),)


def test_what_one_side_does_not_keep_is_unknown_and_not_unchanged():
    found = find_changes(Inputs(), MADE)
    assert (found.data, found.params, found.code, found.packages) == (None,) * 4
    assert found.commit == Change("git commit", None, "f" * 40)


def test_lock_file_is_read_by_its_pins():
    lock = (
        "# a comment\nTorch==2.15.0\n"
        "numpy==2.3.1 ; python_full_version < '3.12'\n"
        "numpy==2.4.0 ; python_full_version >= '3.12'\n"
        "mlflow[auth]==3.17.2\nbeholder\n    # via nothing\n"
    )
    assert read_packages(lock) == {"torch": "2.15.0", "numpy": "2.3.1, 2.4.0", "mlflow": "3.17.2"}

"""Sums over ratings, against dense algebra."""

import numpy as np
import pytest
import torch

from components.models.catalogue import UserBook
from components.training.tensors import Groups, Interactions, Readings, gather

USERS, ITEMS, ROWS, COLUMNS = 5, 7, 20, 3


@pytest.fixture
def interactions() -> Interactions:
    generator = np.random.default_rng(0)
    pairs = np.sort(generator.choice(USERS * ITEMS, ROWS, replace=False))
    users_N, items_N = np.divmod(pairs, ITEMS)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(users_N, minlength=USERS))])
    book = UserBook(
        tuple(map(str, range(USERS))),
        offsets,
        items_N.astype(np.int64),
        generator.normal(size=ROWS).astype(np.float32),
        np.zeros(ROWS, np.int64),
    )
    return Interactions.from_book(book, ITEMS, "cpu")


def dense(interactions: Interactions, values_N: torch.Tensor) -> torch.Tensor:
    matrix_UI = torch.zeros(USERS, ITEMS)
    matrix_UI[interactions.users_N, interactions.items_N] = values_N
    return matrix_UI


@pytest.mark.parametrize("side", ["items of users", "users of items", "users of items, weighted"])
def test_sum_of_what_was_read_and_its_gradient_are_a_matrix_product(
    interactions: Interactions, side: str
) -> None:
    matrix = dense(interactions, torch.ones(ROWS))
    readings = Readings.of_users(interactions)
    if side == "users of items":
        matrix, readings = matrix.T, Readings.of_items(interactions)
    elif side == "users of items, weighted":
        matrix = dense(interactions, interactions.ratings_N).T
        readings = Readings.of_items(interactions, interactions.ratings_N)
    table = torch.randn(matrix.shape[1], COLUMNS, requires_grad=True)
    summed = readings.sum(table)
    torch.testing.assert_close(summed, matrix @ table)
    slope = torch.randn_like(summed)
    (ours,) = torch.autograd.grad((summed * slope).sum(), table)
    torch.testing.assert_close(ours, matrix.T @ slope)


@pytest.mark.parametrize("knows_groups", [False, True])
def test_gather_adds_up_the_gradients_of_a_row_taken_twice(knows_groups: bool) -> None:
    table = torch.randn(4, 2, requires_grad=True)
    codes = torch.tensor([3, 0, 3, 3])
    slope = torch.arange(8.0).reshape(4, 2)
    groups = Groups.of(codes, 4) if knows_groups else None
    (ours,) = torch.autograd.grad((gather(table, codes, groups) * slope).sum(), table)
    (theirs,) = torch.autograd.grad((table[codes] * slope).sum(), table)
    torch.testing.assert_close(ours, theirs)


def test_group_without_rows_sums_to_zero() -> None:
    groups = Groups.of(torch.tensor([2, 0, 2]), 4)
    summed = groups.sum(torch.tensor([[1.0], [2.0], [4.0]]))
    assert summed[:, 0].tolist() == [2.0, 0.0, 5.0, 0.0]


def test_counts_are_those_of_the_book(interactions: Interactions) -> None:
    assert (interactions.users, interactions.items, len(interactions)) == (USERS, ITEMS, ROWS)

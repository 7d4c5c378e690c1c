"""Many ridge regressions at once, against one at a time."""

import numpy as np
import pytest
import torch

from components.training.posterior import Layout, fit_without_own, solve_each

LENGTHS = [3, 0, 1, 17, 4, 40]
PRIORS = torch.tensor([2.0, 3.0, 0.5])
LAYOUT = Layout.of(torch.tensor(LENGTHS))


@pytest.fixture
def rows() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    count = sum(LENGTHS)
    return torch.randn(count, 3, generator=generator), torch.randn(count, generator=generator)


def solve_one(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.solve(x.T @ x + np.diag(PRIORS.numpy()), x.T @ y)


def parts(x: torch.Tensor, y: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(a.numpy(), b.numpy()) for a, b in zip(x.split(LENGTHS), y.split(LENGTHS), strict=True)]


def test_each_owner_gets_the_ridge_solution_of_its_rows(rows) -> None:
    solved = solve_each(*rows, LAYOUT, PRIORS)
    expected = np.stack([solve_one(x, y) for x, y in parts(*rows)])
    np.testing.assert_allclose(solved.numpy(), expected, atol=1e-5)
    assert not solved[1].any()


def test_row_is_predicted_from_the_owners_other_rows_alone(rows) -> None:
    expected = []
    for x, y in parts(*rows):
        for row in range(len(x)):
            rest = np.arange(len(x)) != row
            expected.append(x[row] @ solve_one(x[rest], y[rest]))
    without = fit_without_own(*rows, LAYOUT, PRIORS)
    np.testing.assert_allclose(without.numpy(), expected, atol=1e-5)


def test_gradients_are_those_of_finite_differences(rows) -> None:
    x, y = (tensor.double().requires_grad_() for tensor in rows)
    # The sums are in float32, so the step is wide and the tolerance too.
    assert torch.autograd.gradcheck(
        lambda a, b: fit_without_own(a, b, LAYOUT, PRIORS).double().square().sum(),
        (x, y),
        eps=1e-2,
        atol=2e-2,
        rtol=2e-2,
    )


def test_no_rows_give_no_predictions() -> None:
    nothing = fit_without_own(
        torch.zeros(0, 3), torch.zeros(0), Layout.of(torch.tensor([0, 0])), PRIORS
    )
    assert nothing.shape == (0,)


def test_every_row_has_a_place_and_less_than_half_of_them_are_empty() -> None:
    rows = torch.arange(sum(LENGTHS)).float()
    spread = LAYOUT.spread(rows[:, None] + 1)[:, 0]
    assert len(spread) < 2 * len(rows)
    assert sorted(spread[spread > 0].tolist()) == (rows + 1).tolist()
    assert torch.equal(LAYOUT.collect(spread), rows + 1)

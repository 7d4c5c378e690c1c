"""Where a fit stands, and the average of its steps."""

import pytest
import torch

from components.training.state import Average, State


def make(keeps: float) -> State:
    module = torch.nn.Linear(2, 1)
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    return State(module, optimizer, Average(module, keeps), generator)


def step(state: State) -> None:
    state.optimizer.zero_grad()
    state.module(torch.rand(4, 2, generator=state.generator)).square().sum().backward()
    state.optimizer.step()
    state.average.add()


def answer(state: State) -> torch.Tensor:
    return state.module(torch.ones(1, 2)).detach()


@pytest.mark.parametrize("keeps", [0.0, 0.9])
def test_unpacked_state_goes_on_as_the_packed_one(keeps: float) -> None:
    first, second = make(keeps), make(keeps)
    step(first)
    second.unpack(first.pack())
    step(first)
    step(second)
    assert torch.equal(answer(first), answer(second))
    assert torch.equal(first.generator.get_state(), second.generator.get_state())
    first.average.settle()
    second.average.settle()
    assert torch.equal(answer(first), answer(second))


def test_average_fades_by_its_share_once_it_has_forgotten_the_beginning() -> None:
    state = make(0.5)
    weights = [state.module.weight.detach().clone()]
    for _ in range(8):
        step(state)
        weights.append(state.module.weight.detach().clone())
    expected = weights[0]
    for number, weight in enumerate(weights[1:], 1):
        keeps = min(0.5, number / (number + 3))
        expected = keeps * expected + (1 - keeps) * weight
    state.average.settle()
    torch.testing.assert_close(state.module.weight.detach(), expected)


def test_average_stands_in_for_a_block_and_the_steps_go_on_from_where_they_were() -> None:
    state = make(0.9)
    for _ in range(3):
        step(state)
    stepped = answer(state)
    with state.average.standing_in():
        averaged = answer(state)
    assert not torch.equal(averaged, stepped)
    assert torch.equal(answer(state), stepped)
    state.average.settle()
    assert torch.equal(answer(state), averaged)


def test_without_averaging_the_last_step_answers() -> None:
    state = make(0.0)
    step(state)
    stepped = answer(state)
    with state.average.standing_in():
        assert torch.equal(answer(state), stepped)
    state.average.settle()
    assert torch.equal(answer(state), stepped)

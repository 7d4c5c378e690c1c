from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ParameterError
from components.family_params import Schedule
from components.params import Params, load_params
from components.tuning.spaces import Range, make_space, put_values, read_values, round_value

ROOT = Path(__file__).parents[2]
SHIPPED = load_params(ROOT / "params.yaml")
FAMILIES = sorted(type(SHIPPED.families).model_fields)


@pytest.mark.parametrize("family", FAMILIES)
def test_space_of_every_family_holds_what_is_shipped(family: str):
    options = SHIPPED.families.options(family)
    space = make_space(options, options)
    assert all(space[name].low < space[name].high for name in space)
    assert all(space[name].holds(value) for name, value in read_values(options, space).items())


@pytest.mark.parametrize("family", FAMILIES)
def test_both_ends_of_every_range_are_valid_parameters(family: str):
    options = SHIPPED.families.options(family)
    space = make_space(options, options)
    for end in ("low", "high"):
        values = {n: round_value(getattr(r, end), r.kind) for n, r in space.items()}
        assert read_values(put_values(SHIPPED, family, values).options, space) == values


@pytest.mark.parametrize("family", FAMILIES)
def test_how_long_to_learn_is_not_searched(family: str):
    options = SHIPPED.families.options(family)
    if isinstance(options, Schedule):
        assert (
            not {"batches", "max_epochs", "patience", "averaging"}
            & make_space(options, options).keys()
        )


def test_what_the_valid_rows_tell_nothing_of_is_not_searched():
    options = SHIPPED.families.hybrid
    assert not any(name.startswith("session") for name in make_space(options, options))


def test_rates_and_priors_are_searched_by_magnitude_shares_linearly_and_sizes_whole():
    options = SHIPPED.families.hybrid.model_copy(
        update={"learning_rate": 0.01, "factors": 20, "bias_prior": 3.0, "history_dropout": 0.2}
    )
    space = make_space(options, options)
    assert space["learning_rate"] == Range(0.002, 0.05, "log")
    assert space["bias_prior"] == Range(pytest.approx(0.3), 30.0, "log")
    assert space["factors"] == Range(5, 80, "integer")
    assert (space["history_dropout"].low, space["history_dropout"].kind) == (0.0, "linear")
    assert space["history_dropout"].high < 1


def test_family_without_options_has_no_space():
    assert make_space(SHIPPED.families.mean, SHIPPED.families.mean) == {}


def test_space_stays_while_the_present_value_moves_inside_it_and_widens_to_hold_it():
    shipped = SHIPPED.families.biases.model_copy(update={"prior": 5.0})
    inside = shipped.model_copy(update={"prior": 7.0})
    outside = shipped.model_copy(update={"prior": 400.0})
    assert make_space(shipped, inside) == make_space(shipped, shipped)
    assert make_space(shipped, outside)["prior"] == Range(0.5, 400.0, "log")


@given(st.floats(1e-6, 1e6))
def test_rounding_keeps_three_significant_digits_and_is_stable(value: float):
    rounded = round_value(value, "log")
    assert rounded == pytest.approx(value, rel=0.005)
    assert rounded == float(f"{rounded:.2e}")
    assert round_value(rounded, "log") == rounded


def test_whole_numbers_stay_whole():
    rounded = round_value(12.6, "integer")
    assert rounded == 13
    assert isinstance(rounded, int)


def test_other_values_change_one_family_and_choose_it():
    changed = put_values(SHIPPED, "biases", {"prior": 2.5})
    assert changed.train.family == "biases"
    assert changed.families.biases.prior == 2.5
    assert changed.families.model_copy(update={"biases": SHIPPED.families.biases}) == (
        SHIPPED.families
    )
    assert isinstance(changed, Params)


def test_unknown_family_is_named_beside_the_known_ones():
    with pytest.raises(ParameterError, match=r"family 'hybird' is none of .*hybrid"):
        put_values(SHIPPED, "hybird", {})

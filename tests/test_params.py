import math
from pathlib import Path
from typing import get_args

import pytest
import yaml

from components.errors import ParameterError
from components.params import SliceKind, load_params, write_values

TEMPLATE = Path(__file__).parents[1] / "params.yaml"


def write_changed(folder: Path, section: str, **changes: object) -> Path:
    content = yaml.safe_load(TEMPLATE.read_text())
    content[section].update(changes)
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_template_is_valid() -> None:
    assert load_params(TEMPLATE).split.strategy == "global_time"


def test_unknown_key_is_named(tmp_path: Path) -> None:
    path = write_changed(tmp_path, "train", momentun=0.9)
    with pytest.raises(ParameterError, match=r"train\.momentun.*got 0\.9"):
        load_params(path)


def test_value_out_of_range_is_named_with_its_value(tmp_path: Path) -> None:
    path = write_changed(tmp_path, "split", test_share=1.5)
    with pytest.raises(ParameterError, match=r"split\.test_share.*less than 1.*got 1\.5"):
        load_params(path)


def test_scale_that_is_upside_down_is_refused(tmp_path: Path) -> None:
    path = write_changed(tmp_path, "data", rating_min=5.0, rating_max=1.0)
    with pytest.raises(ParameterError, match=r"rating_min 5\.0 is not below rating_max 1\.0"):
        load_params(path)


def test_missing_file_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="beholder init"):
        load_params(tmp_path / "params.yaml")


def test_broken_yaml_is_an_expected_error(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: [")
    with pytest.raises(ParameterError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")


def test_parameters_cannot_be_changed_once_read() -> None:
    params = load_params(TEMPLATE)
    with pytest.raises(ValueError, match="frozen"):
        params.train.seed = 1  # type: ignore[misc]


def test_unknown_family_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    path = write_changed(tmp_path, "train", family="hybird")
    with pytest.raises(ParameterError, match=r"'hybird' is none of .*hybrid, mean, mf"):
        load_params(path)


def test_unknown_option_of_a_family_is_named(tmp_path: Path) -> None:
    path = write_changed(tmp_path, "families", mean={"prior": 3})
    with pytest.raises(ParameterError, match=r"families\.mean\.prior"):
        load_params(path)


def test_misspelt_key_is_named_with_what_was_meant(tmp_path: Path) -> None:
    text = TEMPLATE.read_text().replace("history_dropout:", "histroy_dropout:")
    (tmp_path / "params.yaml").write_text(text)
    meant = r"hybrid\.histroy_dropout: there is no such key, did you mean 'history_dropout'\?"
    with pytest.raises(ParameterError, match=meant):
        load_params(tmp_path / "params.yaml")


def test_missing_key_is_named(tmp_path: Path) -> None:
    text = TEMPLATE.read_text().replace("    history_dropout: ", "    # history_dropout: ")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParameterError, match=r"families\.hybrid\.history_dropout is missing$"):
        load_params(tmp_path / "params.yaml")


def test_written_values_change_their_lines_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(TEMPLATE.read_bytes())
    write_values(path, {"families.hybrid.factors": 48, "train.seed": 7})
    before, after = TEMPLATE.read_text().splitlines(), path.read_text().splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert [line.split("#")[0].split() for line in changed] == [["seed:", "7"], ["factors:", "48"]]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"families.hybrid.faktors": 3}, r"no key families\.hybrid\.faktors"),
        ({"families.hybrd.factors": 3}, r"no key families\.hybrd\.factors"),
        ({"train.seed": 1, "families.hybrid.factors": 0}, r"families\.hybrid\.factors.*got 0"),
    ],
)
def test_values_that_do_not_fit_leave_the_file_alone(
    tmp_path: Path, values: dict[str, object], said: str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(TEMPLATE.read_bytes())
    with pytest.raises(ParameterError, match=said):
        write_values(path, values)
    assert path.read_bytes() == TEMPLATE.read_bytes()


@pytest.mark.parametrize("part", ["slices", "limits"])
@pytest.mark.parametrize("value", [math.inf, math.nan, -1.0])
def test_gate_takes_no_margin_and_no_limit_that_would_let_everything_pass(
    tmp_path: Path, part: str, value: float
) -> None:
    content = yaml.safe_load(TEMPLATE.read_text())["gate"][part]
    key = {"slices": "margin", "limits": "max_latency_p99_ms"}[part]
    path = write_changed(tmp_path, "gate", **{part: {**content, key: value}})
    with pytest.raises(ParameterError, match=rf"gate\.{part}\.{key}"):
        load_params(path)


def test_gate_refuses_slices_that_there_are_not(tmp_path: Path) -> None:
    content = yaml.safe_load(TEMPLATE.read_text())["gate"]["slices"]
    for wrong in ({"margins": {"cold_itme": 0.1}}, {"must_hold": ["all"]}):
        path = write_changed(tmp_path, "gate", slices={**content, **wrong})
        with pytest.raises(ParameterError, match=rf"gate\.slices\.{next(iter(wrong))}"):
            load_params(path)


def test_every_kind_of_slice_can_be_named_in_the_gates_policy(tmp_path: Path) -> None:
    content = yaml.safe_load(TEMPLATE.read_text())["gate"]["slices"]
    kinds = list(get_args(SliceKind))
    path = write_changed(tmp_path, "gate", slices={**content, "must_hold": kinds})
    slices = load_params(path).gate.slices
    assert list(slices.must_hold) == kinds
    assert slices.margin_of("warm") == slices.margin


def test_gate_with_too_few_draws_for_its_level_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"bootstrap 900 is too few.*1000 are needed"):
        load_params(write_changed(tmp_path, "gate", bootstrap=900, level=0.99))


def test_looks_have_draws_enough_for_the_false_alarms_that_they_allow(tmp_path: Path) -> None:
    path = write_changed(tmp_path, "monitor", false_alarms=0.001)
    with pytest.raises(ParameterError, match=r"draws 4000 is too few.*20000 are needed"):
        load_params(path)


def test_parameters_from_before_there_were_looks_have_the_usual_ones(tmp_path: Path) -> None:
    content = yaml.safe_load(TEMPLATE.read_text())
    told = content.pop("monitor")
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    assert load_params(path).monitor.model_dump() == told

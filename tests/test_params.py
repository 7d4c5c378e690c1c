from pathlib import Path

import pytest
import yaml

from components.errors import ParameterError
from components.params import load_params

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

"""What the demo changes in the workspace that it makes."""

import shutil
from pathlib import Path

import pytest

from components.errors import BeholderError
from components.params import load_params
from flows.demo import loosen_images

TEMPLATE = Path(__file__).parents[2] / "params.yaml"


def test_demo_trusts_images_more_and_changes_nothing_else(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    shutil.copy(TEMPLATE, params)
    loosen_images(params)
    before, after = load_params(TEMPLATE), load_params(params)
    assert after.train.image_prior < before.train.image_prior
    same = after.train.model_copy(update={"image_prior": before.train.image_prior})
    assert after.model_copy(update={"train": same}) == before
    once = params.read_bytes()
    loosen_images(params)
    assert params.read_bytes() == once


def test_parameters_without_an_image_prior_are_refused(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("train: {}\n")
    with pytest.raises(BeholderError, match=r"0 lines set train\.image_prior"):
        loosen_images(params)
    assert params.read_text() == "train: {}\n"

"""What the demo changes in the workspace that it makes."""

import shutil
from pathlib import Path

from components.params import load_params
from flows.demo import loosen_images

TEMPLATE = Path(__file__).parents[2] / "params.yaml"


def test_demo_trusts_images_more_and_changes_nothing_else(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    shutil.copy(TEMPLATE, params)
    loosen_images(params)
    before, after = load_params(TEMPLATE), load_params(params)
    assert after.families.hybrid.image_prior < before.families.hybrid.image_prior
    assert (
        after.families.hybrid.new_items.taste_prior < before.families.hybrid.new_items.taste_prior
    )
    changed = {"factors", "image_factors", "factor_prior", "image_prior", "image_bias_prior"}
    changed.add("new_items")
    same = after.families.hybrid.model_copy(
        update={name: getattr(before.families.hybrid, name) for name in changed}
    )
    families = after.families.model_copy(update={"hybrid": same})
    assert after.model_copy(update={"families": families}) == before
    once = params.read_bytes()
    loosen_images(params)
    assert params.read_bytes() == once

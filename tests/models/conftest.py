"""A small bundle of each family, learnt in a small workspace."""

from collections.abc import Callable
from functools import cache

import pytest

from components.models.bundle import Bundle
from components.models.catalogue import UserBook
from components.params import Params, load_params
from components.paths import Workspace
from components.settings import Settings
from components.training.inputs import read_catalogue, read_ratings, read_vectors
from components.training.pictures import Pictures
from components.training.recipe import Recipe
from components.training.step import make_bundle


@pytest.fixture(scope="session")
def learn(
    tmp_path_factory: pytest.TempPathFactory,
    make_trainable: Callable[..., None],
    give_eyes: Callable[..., None],
    shrink: Callable[..., Params],
) -> Callable[[str], Bundle]:
    """Return a function of a family's name; each is learnt once."""
    settings = Settings(device="cpu", threads=1)
    bundles: dict[str, Bundle] = {}

    @cache
    def make_workspace(*, seeing: bool) -> Workspace:
        root = tmp_path_factory.mktemp("families") / "here"
        make_trainable(root)
        if seeing:
            give_eyes(root)
        return Workspace(root)

    def learn(family: str) -> Bundle:
        if family not in bundles:
            workspace = make_workspace(seeing=family == "finetuned")
            catalogue = read_catalogue(workspace, read_vectors(workspace))
            # What is uploaded has no category, so what it is compared with has none either.
            catalogue.items.loc[21:, "category"] = ""
            book = UserBook.from_ratings(read_ratings(workspace, split=True), catalogue)
            chosen = shrink(load_params(workspace.params), family, warmup_epochs=6)
            recipe = Recipe.of(
                chosen,
                catalogue,
                "cpu",
                workspace.root / family,
                workspace.root / "live.jsonl",
                Pictures.of(workspace, settings),
            )
            learnt = recipe.learn("evaluation", book, 8)
            bundles[family] = make_bundle(
                chosen, family, learnt.weights, learnt.catalogue, book, {}, {}
            )
        return bundles[family]

    return learn

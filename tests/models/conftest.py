"""A small bundle of each family, learnt in a small workspace."""

from collections.abc import Callable

import pytest

from components.models.bundle import Bundle
from components.models.catalogue import UserBook
from components.params import Params, load_params
from components.paths import Workspace
from components.training.inputs import read_catalogue, read_ratings, read_vectors
from components.training.recipe import Recipe
from components.training.step import make_bundle


@pytest.fixture(scope="session")
def learn(
    tmp_path_factory: pytest.TempPathFactory,
    make_trainable: Callable[..., None],
    shrink: Callable[..., Params],
) -> Callable[[str], Bundle]:
    """Return a function of a family's name; each is learnt once."""
    root = tmp_path_factory.mktemp("families") / "here"
    make_trainable(root)
    workspace = Workspace(root)
    catalogue = read_catalogue(workspace, read_vectors(workspace))
    # An image that is uploaded has no category, so those that it is compared with have none.
    catalogue.items.loc[21:, "category"] = ""
    book = UserBook.from_ratings(read_ratings(workspace, split=True), catalogue)
    params = load_params(workspace.params)
    bundles: dict[str, Bundle] = {}

    def learn(family: str) -> Bundle:
        if family not in bundles:
            chosen = shrink(params, family)
            recipe = Recipe.of(chosen, catalogue, "cpu", root / family, root / "live.jsonl")
            learnt = recipe.learn("evaluation", book, 8)
            bundles[family] = make_bundle(
                chosen, family, learnt.weights, learnt.catalogue, book, {}, {}
            )
        return bundles[family]

    return learn

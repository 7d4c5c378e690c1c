"""Which images an epoch shows, and how often."""

import numpy as np
import pandas as pd
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.training.gallery import NO_IMAGE, Gallery, Views, plan_epoch

SHOWN = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=5), min_size=1, max_size=12)


def gallery(shown: list[list[str]]) -> Gallery:
    return Gallery.of(pd.DataFrame({"images": shown}))


def plan(shown: list[list[str]], seed: int = 0, images: int = 4, most: int = 3) -> list[Views]:
    generator = torch.Generator().manual_seed(seed)
    items = np.arange(len(shown))
    return list(plan_epoch(gallery(shown), items, images, most, generator))


@given(SHOWN)
def test_epoch_shows_every_item_once_with_its_own_images(shown: list[list[str]]) -> None:
    names, seen = gallery(shown).sha256s, []
    for views in plan(shown):
        assert len(np.unique(views.images_P)) == len(views.images_P)
        for item, places in zip(views.items_J, views.places_JV, strict=True):
            images = [names[views.images_P[place]] for place in places if place != NO_IMAGE]
            assert set(images) <= set(shown[item])
            assert len(images) == min(3, len(shown[item]))
            seen.append(int(item))
    assert sorted(seen) == list(range(len(shown)))


@given(SHOWN)
def test_batch_is_no_larger_than_asked_unless_one_item_is(shown: list[list[str]]) -> None:
    for views in plan(shown, images=3):
        wanted = sum(max(1, int((places != NO_IMAGE).sum())) for places in views.places_JV)
        assert wanted <= 3 or len(views.items_J) == 1


def test_image_of_several_items_of_a_batch_is_there_once() -> None:
    (views,) = plan([["same"], ["same", "other"], ["same"]], images=10)
    assert len(views.images_P) == 2
    assert views.places_JV.shape == (3, 2)


def test_item_with_too_many_images_shows_others_each_epoch() -> None:
    shown = [list("abcdefgh")]
    drawn = {tuple(plan(shown, seed)[0].images_P.tolist()) for seed in range(20)}
    assert len(drawn) > 5
    assert all(len(images) == 3 for images in drawn)


def test_order_follows_the_seed() -> None:
    shown = [[name] for name in "abcdefgh"]
    orders = [[v.items_J.tolist() for v in plan(shown, seed)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_catalogue_without_any_image_is_shown_too() -> None:
    (first, second) = plan([[]] * 6, images=4)
    assert len(first.items_J) == 4
    assert len(second.items_J) == 2
    assert first.places_JV.shape == (4, 0)
    assert not len(first.images_P)


def test_no_items_make_no_batch() -> None:
    none = np.zeros(0, np.int64)
    assert not list(plan_epoch(gallery([["a"]]), none, 4, 3, torch.Generator()))

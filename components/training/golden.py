"""The golden questions of a served bundle: what the trainer itself answers, to ask again later."""

import numpy as np

from components.models.golden import Golden, GoldenImage, GoldenPair
from components.models.predictor import Predictor
from components.training.inputs import ImageVectors

_USERS_PER_IMAGE = 3


def ask_golden(
    predictor: Predictor,
    vectors: ImageVectors,
    files: dict[str, str],
    *,
    pairs: int,
    images: int,
    seed: int,
) -> Golden:
    """Return drawn questions with the predictor's answers; fewer where there are fewer images.

    `files` names the file of each image by its sha256. Pairs are of known users with any item
    of the catalogue, rated or not.
    """
    generator = np.random.default_rng(seed)
    users = np.array(predictor.bundle.users.user_ids, dtype=object)
    items = predictor.bundle.catalogue.items["item_id"].to_numpy(dtype=object)
    asked_users = generator.choice(users, pairs).tolist()
    asked_items = generator.choice(items, pairs).tolist()
    ratings = predictor.predict(asked_users, asked_items).tolist()
    golden_pairs = tuple(
        GoldenPair(*answer) for answer in zip(asked_users, asked_items, ratings, strict=True)
    )
    count = min(images, len(vectors.sha256s))
    rows = np.sort(generator.choice(len(vectors.sha256s), count, replace=False))
    raters = generator.choice(users, min(_USERS_PER_IMAGE, len(users)), replace=False).tolist()
    golden_images = tuple(_ask_image(predictor, vectors, files, int(row), raters) for row in rows)
    return Golden(golden_pairs, golden_images)


def _ask_image(
    predictor: Predictor, vectors: ImageVectors, files: dict[str, str], row: int, raters: list[str]
) -> GoldenImage:
    embedding_E = vectors.vectors_NE[row]
    side = predictor.fold_image(embedding_E)
    ratings = tuple(
        (user, float(predictor.rate(predictor.fold_user(user), side)[0])) for user in raters
    )
    sha256 = vectors.sha256s[row]
    return GoldenImage(sha256, files[sha256], tuple(embedding_E.tolist()), ratings)

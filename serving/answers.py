"""From a request to its answer: plain functions over one release, no HTTP in them."""

import time
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus

import numpy as np

from components.models.catalogue import UNKNOWN, Floats, History, Ints
from components.models.predictor import Ranked, measure_lengths
from components.models.protocol import Side
from components.retrieval.statement import Search
from serving.named import (
    belong,
    check_rating,
    find,
    require_item,
    unique,
    unknown_items,
    unknown_users,
)
from serving.refusal import Refusal
from serving.release import Release
from serving.schemas.answers import (
    Counts,
    ModelAnswer,
    Origin,
    PredictAnswer,
    PredictByImageAnswer,
    PredictedRating,
    RecommendAnswer,
    RecommendByImageAnswer,
    RecommendedItem,
    RecommendedLook,
    Retrieval,
    SearchFacts,
    SimilarAnswer,
    SimilarItem,
    UserRating,
)
from serving.schemas.requests import PredictRequest, RecommendRequest, SimilarRequest

# How many times k of the look-alikes a user's taste may choose from, and looks of the best.
_CIRCLE = 5
_NOTHING = History.empty()

# What a user told since the release was learnt; None where nobody can say.
Recall = Callable[[str | None], History | None]


def forget(user_id: str | None) -> History | None:
    """Recall nothing."""
    return None


def recommend(
    release: Release, request: RecommendRequest, remembered: History | None = _NOTHING
) -> RecommendAnswer:
    """Answer /recommend: the best items for a user, those rated already left out.

    `remembered` is what the user rated since the release was learnt, None if nobody could say;
    ratings in the request come on top of it. Of whom nothing is known gets what is rated often,
    of late and well.
    """
    predictor = release.predictor
    for row, rated in enumerate(request.history):
        check_rating(predictor.bundle.scale, rated.rating, f"history.{row}.rating")
    history, unknown = predictor.read_history(
        ((rated.item_id, rated.rating) for rated in request.history),
        [rated.timestamp or 0 for rated in request.history],
    )
    if remembered:
        history = join(remembered, history)
    user = predictor.fold_user(request.user_id, history, int(time.time()))
    excluded, missing = find(release, request.exclude)
    seen = np.concatenate([_seen(release, request.user_id), history.items_N, excluded])
    allowed_I = None if request.category is None else belong(release, request.category)
    if request.diversity > 0:
        wide = predictor.recommend(user, request.k * _CIRCLE, seen, allowed_I)
        recommended = predictor.spread(wide, request.k, request.diversity)
    else:
        recommended = predictor.recommend(user, request.k, seen, allowed_I)
    return RecommendAnswer(
        items=[
            RecommendedItem(**facts(release, item.item_id), rating=item.score)
            for item in recommended.items
        ],
        path=recommended.path,
        remembered=None if remembered is None else len(remembered),
        unknown_items=unique([*unknown, *missing]),
        model=origin(release),
    )


def similar(release: Release, request: SimilarRequest) -> SimilarAnswer:
    """Answer /similar: the items that look most like one of the catalogue's."""
    catalogue = release.predictor.bundle.catalogue
    index = require_item(release, request.item_id)
    if not catalogue.has_image_I[index]:
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"item_id: item {request.item_id!r} has no image, so nothing looks like it",
        )
    excluded, missing = find(release, request.exclude)
    ranked = release.predictor.neighbours(
        catalogue.embeddings_IE[index], request.k, np.append(excluded, index)
    )
    return SimilarAnswer(
        items=_similar_items(release, ranked),
        unknown_items=unique(missing),
        model=origin(release),
    )


def predict_rating(
    release: Release, request: PredictRequest, recall: Recall = forget
) -> PredictAnswer:
    """Answer /predict_rating: one rating a pair, unknown ids by the priors."""
    predictor = release.predictor
    user_ids = [pair.user_id for pair in request.pairs]
    item_ids = [pair.item_id for pair in request.pairs]
    users, items = fold_users(release, user_ids, recall), predictor.item_side(item_ids)
    return PredictAnswer(
        ratings=[
            PredictedRating(
                user_id=user,
                item_id=item,
                rating=float(rating),
                path=path,
                item_path=item_path,
            )
            for user, item, rating, path, item_path in zip(
                user_ids,
                item_ids,
                predictor.rate(users, items),
                users.paths,
                items.paths,
                strict=True,
            )
        ],
        unknown_items=unknown_items(release, item_ids),
        unknown_users=unknown_users(release, user_ids),
        model=origin(release),
    )


def recommend_by_image(
    release: Release,
    embeddings_BE: Floats,
    *,
    user_id: str | None,
    k: int,
    exclude: Sequence[str],
    recall: Recall = forget,
) -> RecommendByImageAnswer:
    """Answer /recommend_by_image: look-alikes of pictures, and the best of them for a user."""
    predictor = release.predictor
    user = fold_users(release, [user_id], recall)
    pictures = predictor.fold_images(embeddings_BE)
    excluded, missing = find(release, exclude)
    look_E = (embeddings_BE / measure_lengths(embeddings_BE)[:, None]).mean(axis=0)
    circle = predictor.neighbours(look_E, k * _CIRCLE, excluded)
    return RecommendByImageAnswer(
        similar=_similar_items(release, circle[:k]),
        items=_rerank(release, user, circle)[:k],
        rating=float(predictor.rate(user, pictures).mean()),
        path=user.paths[0],
        item_path=pictures.paths[0],
        unknown_items=unique(missing),
        model=origin(release),
    )


def predict_rating_by_image(
    release: Release, embedding_E: Floats, user_ids: Sequence[str], recall: Recall = forget
) -> PredictByImageAnswer:
    """Answer /predict_rating_by_image: how each user would rate a picture."""
    predictor = release.predictor
    users, item = fold_users(release, user_ids, recall), predictor.fold_image(embedding_E)
    ratings = predictor.rate(users, item)
    return PredictByImageAnswer(
        ratings=[
            UserRating(user_id=user, rating=float(rating), path=path)
            for user, rating, path in zip(user_ids, ratings, users.paths, strict=True)
        ],
        item_path=item.paths[0],
        unknown_users=unknown_users(release, user_ids),
        model=origin(release),
    )


def fold_users(release: Release, user_ids: Sequence[str | None], recall: Recall) -> Side:
    """Return the sides of users, with what each told since the release was learnt.

    Who told nothing since is answered as the model was learnt, whatever the time.
    """
    now = int(time.time())
    told = {user: recall(user) or _NOTHING for user in dict.fromkeys(user_ids)}
    side = release.predictor.fold_all(
        list(told), list(told.values()), [now if len(since) else None for since in told.values()]
    )
    rows = {user: row for row, user in enumerate(told)}
    return side.take(np.array([rows[user] for user in user_ids], np.int64))


def describe(release: Release) -> ModelAnswer:
    """Answer /model: which model answers, and where it comes from."""
    bundle = release.predictor.bundle
    return ModelAnswer(
        model=origin(release),
        family=release.manifest.family,
        digest=release.manifest.digest,
        scale=bundle.scale,
        counts=Counts(
            users=len(bundle.users),
            items=len(bundle.catalogue),
            items_with_image=int(bundle.catalogue.has_image_I.sum()),
            items_appended=release.predictor.appended,
            items_withdrawn=len(release.predictor.withdrawn),
            ratings=len(bundle.users.items_N),
        ),
        encoder=release.encoder_name,
        retrieval=Retrieval(
            tastes=_describe_search(release.manifest.retrieval.tastes),
            looks=_describe_search(release.manifest.retrieval.looks),
        ),
        lineage=release.lineage,
    )


def join(earlier: History, later: History) -> History:
    """Return one history: where both rate an item, the later one counts."""
    return History(
        np.concatenate([earlier.items_N, later.items_N]),
        np.concatenate([earlier.ratings_N, later.ratings_N]),
        np.concatenate([earlier.times_N, later.times_N]),
    )


def _describe_search(search: Search) -> SearchFacts:
    is_exact = search.way == "exact"
    return SearchFacts(
        way=search.way,
        index=None if is_exact else search.name,
        recall=search.recall,
        k=None if is_exact else search.k,
    )


def origin(release: Release) -> Origin:
    """Return which model answers."""
    return Origin(
        version=release.manifest.version,
        lineage_id=release.manifest.lineage_id,
        catalogue=release.catalogue_id,
    )


def _rerank(release: Release, user: Side, circle: Sequence[Ranked]) -> list[RecommendedLook]:
    predictor = release.predictor
    if not circle:
        return []
    ratings = predictor.rate(user, predictor.item_side([ranked.item_id for ranked in circle]))
    # Equal ratings stay in the order of the looks, because sorting is stable.
    order = np.argsort(-ratings, kind="stable")
    return [
        RecommendedLook(
            **facts(release, circle[row].item_id),
            similarity=circle[row].score,
            rating=float(ratings[row]),
        )
        for row in order
    ]


def _similar_items(release: Release, ranked: Iterable[Ranked]) -> list[SimilarItem]:
    return [SimilarItem(**facts(release, item.item_id), similarity=item.score) for item in ranked]


def facts(release: Release, item_id: str) -> dict[str, str]:
    """Return an item as the catalogue describes it."""
    index = release.predictor.bundle.catalogue.place(item_id)
    return {
        "item_id": item_id,
        "title": release.titles[index],
        "category": release.categories[index],
    }


def _seen(release: Release, user_id: str | None) -> Ints:
    users = release.predictor.bundle.users
    index = UNKNOWN if user_id is None else int(users.find([user_id])[0])
    return users.history(index).items_N

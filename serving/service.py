"""The BentoML service: which address answers with what, and what a worker does as it starts.

BentoML imports this module in its process manager too, which answers nothing: so whatever needs
pandas or torch is imported by the worker, as it starts.
"""

import gc
import logging
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import bentoml
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from components.errors import BeholderError, ImageError
from components.settings import Settings, load_settings
from serving import gallery
from serving.asked import answered_from
from serving.endpoint import Endpoint
from serving.guard import caller
from serving.inputs import form_input, json_input
from serving.lifeline import follow
from serving.looking import Looking
from serving.metrics import open_meter
from serving.refusal import ExpectedFilter, Refusal
from serving.schemas import (
    FeedbackAnswer,
    FeedbackRequest,
    PredictAnswer,
    PredictByImageAnswer,
    PredictByImageRequest,
    PredictRequest,
    RecommendAnswer,
    RecommendByImageAnswer,
    RecommendByImageRequest,
    RecommendRequest,
    SimilarAnswer,
    SimilarRequest,
)
from serving.turns import Line

if TYPE_CHECKING:
    from components.answers.log import AnswerLog
    from components.feedback.log import FeedbackLog
    from components.models.catalogue import Floats
    from serving.current import Current
    from serving.fastpath import Quick
    from serving.release import Release

# A thread more would only contend with the other workers for the same cores.
_THREADS = 1
_TIMEOUT_SECONDS = 30
# Who would wait longer hears at once that all are busy, while asking again still helps.
_LIST_PATIENCE = 0.1
_PICTURE_PATIENCE = 2.0
# Uploads in hand, decoded or waiting for the network; and pages made in threads.
_LOOKED_AT = 16
_PAGES = 4

AnswerT = TypeVar("AnswerT", bound=BaseModel)

log = logging.getLogger(__name__)


async def show_model(request: Request) -> Response:
    """Answer GET /model."""
    from serving import answers

    current: Current | None = request.app.state.current
    if current is None:
        return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
    answered_from(current.release)
    answer = answers.describe(current.release)
    return Response(answer.model_dump_json(), media_type="application/json")


# What the page at /api is made of; BentoML brings it along.
_API_PARTS = Path(bentoml.__file__).parent / "_internal/server/static_content"

pages = Starlette(
    routes=[
        Route("/model", show_model),
        *gallery.routes,
        Mount("/static_content", StaticFiles(directory=_API_PARTS)),
    ],
    exception_handlers={Refusal: gallery.answer_refusal},
)


@bentoml.asgi_app(pages)
@bentoml.service(
    name="beholder",
    service_class=Endpoint,
    workers=1,
    traffic={"timeout": _TIMEOUT_SECONDS},
    http={"host": "127.0.0.1"},
)
class Beholder:
    """A visual recommender: what a person would like, from what it looks like and who liked it.

    Every answer names the model's version and lineage, and says which path it took: factors
    learnt for the user, the user's ratings (history), or nothing known of the user: then a list is
    what is rated often, of late and well (rules), and a rating the average user's (prior).
    """

    def __init__(self) -> None:
        settings = load_settings()
        if settings.lifeline is not None:
            follow(settings.lifeline)
        logging.getLogger("bentoml._internal.server.http_app").addFilter(ExpectedFilter())
        self._current = _open(settings)
        self._feedback = _open_feedback(settings)
        pages.state.current, pages.state.feedback = self._current, self._feedback
        pages.state.answers = self._answers = _open_answers(settings)
        self._looking = Looking(open_meter().count_batch)
        _settle_memory()

    @staticmethod
    def quick() -> "dict[str, Quick]":
        """Return what is answered before BentoML's layers, by its address."""
        from serving.fastpath import Quick

        return {
            "/recommend": Quick(RecommendRequest, _recommend),
            "/feedback": Quick(FeedbackRequest, _take),
            "/similar": Quick(SimilarRequest, _similar),
            "/predict_rating": Quick(PredictRequest, _predict),
        }

    @staticmethod
    def pages() -> Starlette:
        """Return what answers the addresses that are none of BentoML's."""
        return pages

    @staticmethod
    def lines() -> dict[str, Line]:
        """Return where requests wait for their turn, by their address."""
        lists = Line(places=1, patience=_LIST_PATIENCE)
        pictures = Line(places=_LOOKED_AT, patience=_PICTURE_PATIENCE)
        pages = Line(places=_PAGES, patience=_LIST_PATIENCE)
        return {
            "/recommend": lists,
            "/similar": lists,
            "/predict_rating": lists,
            "/recommend_by_image": pictures,
            "/predict_rating_by_image": pictures,
            "/items": pages,
            "/explain": pages,
        }

    @staticmethod
    def release_now() -> "Release":
        """Return the release to answer from; raise Refusal while there is none."""
        current: Current | None = getattr(pages.state, "current", None)
        if current is None:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "not ready")
        return current.release

    def __is_ready__(self) -> bool:
        """Whether the release has passed its self-check; BentoML's /readyz asks."""
        return self._current is not None

    @bentoml.api(route="/recommend", input_spec=json_input(RecommendRequest))
    async def recommend(self, request: RecommendRequest, /) -> RecommendAnswer:
        """The best items for a user, known or described by ratings; those rated are left out."""
        return _recommend(self._ready(), request)

    @bentoml.api(route="/feedback", input_spec=json_input(FeedbackRequest))
    async def feedback(self, request: FeedbackRequest, /) -> FeedbackAnswer:
        """What users did: ratings, views, clicks; acknowledged when it is stored for good."""
        return await _take(self._ready(), request)

    @bentoml.api(route="/recommend_by_image", input_spec=form_input(RecommendByImageRequest))
    async def recommend_by_image(
        self, request: RecommendByImageRequest, /
    ) -> RecommendByImageAnswer:
        """Items that look like a picture, and those of them that the user would like best."""
        from serving import answers

        release = self._ready()
        answer = answers.recommend_by_image(
            release,
            await self._look(release, *request.image),
            user_id=request.user_id,
            k=request.k,
            exclude=request.exclude,
        )
        return _record("recommend_by_image", request, answer)

    @bentoml.api(route="/similar", input_spec=json_input(SimilarRequest))
    async def similar(self, request: SimilarRequest, /) -> SimilarAnswer:
        """The items that look most like an item."""
        return _similar(self._ready(), request)

    @bentoml.api(route="/predict_rating", input_spec=json_input(PredictRequest))
    async def predict_rating(self, request: PredictRequest, /) -> PredictAnswer:
        """How users would rate items, a pair each."""
        return _predict(self._ready(), request)

    @bentoml.api(route="/predict_rating_by_image", input_spec=form_input(PredictByImageRequest))
    async def predict_rating_by_image(
        self, request: PredictByImageRequest, /
    ) -> PredictByImageAnswer:
        """How users would rate a picture that the model has never seen."""
        from serving import answers

        release = self._ready()
        (embedding_E,) = await self._look(release, request.image)
        answer = answers.predict_rating_by_image(release, embedding_E, request.user_ids)
        return _record("predict_rating_by_image", request, answer)

    @bentoml.on_shutdown
    def close(self) -> None:
        """End the threads; store what users told and were told, and still waits."""
        self._looking.close()
        for kept in (self._feedback, self._answers):
            if kept is not None:
                kept.close()

    def _ready(self) -> "Release":
        release = self.release_now()
        answered_from(release)
        return release

    async def _look(self, release: "Release", *contents: bytes) -> "Floats":
        try:
            return await self._looking.embed(release, contents)
        except ImageError as error:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"image: {error}") from None


def _recommend(release: "Release", request: RecommendRequest) -> RecommendAnswer:
    from serving import answers, feedback

    remembered = feedback.recall(release, pages.state.feedback, request.user_id)
    return _record("recommend", request, answers.recommend(release, request, remembered))


def _similar(release: "Release", request: SimilarRequest) -> SimilarAnswer:
    from serving import answers

    return _record("similar", request, answers.similar(release, request))


def _predict(release: "Release", request: PredictRequest) -> PredictAnswer:
    from serving import answers

    return _record("predict_rating", request, answers.predict_rating(release, request))


def _record(route: str, request: BaseModel, answer: AnswerT) -> AnswerT:
    from serving.recording import record

    return record(pages.state.answers, route, request, answer)


async def _take(release: "Release", request: FeedbackRequest) -> FeedbackAnswer:
    from serving import feedback

    return await feedback.take(release, pages.state.feedback, request, caller.get())


def _settle_memory() -> None:
    """Tell the collector that what lives now lives on, so that it need not walk it every time."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _open_feedback(settings: Settings) -> "FeedbackLog | None":
    from serving.feedback import open_log

    return open_log(settings.feedback_url)


def _open_answers(settings: Settings) -> "AnswerLog | None":
    from serving.recording import open_log

    return open_log(settings)


def _open(settings: Settings) -> "Current | None":
    """Return what answers, or None when it must not: the log says why, /readyz says no."""
    import torch
    from threadpoolctl import threadpool_limits

    from components.devices import pick_device
    from serving import answers, looks  # noqa: F401 - so that no request waits for it
    from serving.current import Current
    from serving.release import find_release, open_release

    device = pick_device(settings)
    threads = settings.threads or _THREADS
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")
    try:
        return Current(
            find_release(settings.release),
            settings.endpoint_folder,
            lambda bento: open_release(bento, device),
            after_swap=_settle_memory,
        )
    except BeholderError as error:
        log.error("release refused reason=%s", error)
        return None

"""The BentoML service: which address answers with what, and what a worker does as it starts.

BentoML imports this module in its process manager too, which answers nothing: so whatever needs
pandas or torch is imported by the worker, as it starts.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from components.settings import load_settings
from serving import gallery
from serving.endpoint import Endpoint
from serving.fastpath import Quick
from serving.guard import asks_for_key
from serving.inputs import JSON, form_input, json_input
from serving.lifeline import follow
from serving.refusal import ExpectedFilter, Refusal, not_ready
from serving.schemas.answers import (
    FeedbackAnswer,
    PredictAnswer,
    PredictByImageAnswer,
    RecommendAnswer,
    RecommendByImageAnswer,
    SimilarAnswer,
)
from serving.schemas.requests import (
    FeedbackRequest,
    PredictByImageRequest,
    PredictRequest,
    RecommendByImageRequest,
    RecommendRequest,
    SimilarRequest,
)
from serving.turns import Line

if TYPE_CHECKING:
    from serving.desk import Desk

_TIMEOUT_SECONDS = 30
# Who would wait longer hears at once that all are busy, while asking again still helps.
_LIST_PATIENCE = 0.1
_PICTURE_PATIENCE = 2.0
# Uploads in hand, decoded or waiting for the network; and pages made in threads.
_LOOKED_AT = 16
_PAGES = 4


async def show_model(request: Request) -> Response:
    """Answer GET /model."""
    return Response(desk().describe().model_dump_json(), media_type=JSON)


def show_document(request: Request) -> Response:
    """Answer GET /docs.json, instead of BentoML: with examples that can be tried as they are."""
    from serving.examples import illustrate

    service: Any = Beholder  # a class to a type checker, a service since it was decorated
    document: dict[str, Any] = service.openapi_spec.asdict()
    opened: Desk | None = getattr(pages.state, "desk", None)
    if opened is not None and opened.is_ready:
        is_open = not asks_for_key(request.scope, load_settings().require_keys)
        document = illustrate(document, opened.take_release(), is_open=is_open)
    return JSONResponse(document)


# What the page at /api is made of; BentoML brings it along.
_API_PARTS = Path(bentoml.__file__).parent / "_internal/server/static_content"

pages = Starlette(
    routes=[
        Route("/model", show_model),
        Route("/docs.json", show_document),
        *gallery.routes,
        Mount("/static_content", StaticFiles(directory=_API_PARTS)),
    ],
    exception_handlers={Refusal: gallery.answer_refusal},
)


def desk() -> "Desk":
    """Return what answers in this worker; raise Refusal before it has started."""
    opened: Desk | None = getattr(pages.state, "desk", None)
    if opened is None:
        raise not_ready()
    return opened


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
        from serving.desk import Desk

        settings = load_settings()
        if settings.lifeline is not None:
            follow(settings.lifeline)
        logging.getLogger("bentoml._internal.server.http_app").addFilter(ExpectedFilter())
        pages.state.desk = Desk(settings)

    @staticmethod
    def quick() -> dict[str, Quick]:
        """Return what is answered before BentoML's layers, by its address."""
        return {
            "/recommend": Quick(RecommendRequest, lambda body: desk().recommend(body)),
            "/similar": Quick(SimilarRequest, lambda body: desk().similar(body)),
            "/predict_rating": Quick(PredictRequest, lambda body: desk().predict_rating(body)),
            "/feedback": Quick(FeedbackRequest, lambda body: desk().take_feedback(body)),
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

    def __is_ready__(self) -> bool:
        """Whether the release has passed its self-check; BentoML's /readyz asks."""
        return desk().is_ready

    @bentoml.on_shutdown
    def close(self) -> None:
        """End the threads, and store what still waits."""
        desk().close()

    @bentoml.api(route="/recommend", input_spec=json_input(RecommendRequest))
    async def recommend(self, request: RecommendRequest, /) -> RecommendAnswer:
        """The best items for a user, known or described by ratings; those rated are left out."""
        return desk().recommend(request)

    @bentoml.api(route="/feedback", input_spec=json_input(FeedbackRequest))
    async def feedback(self, request: FeedbackRequest, /) -> FeedbackAnswer:
        """What users did: ratings, views, clicks; acknowledged when it is stored for good."""
        return await desk().take_feedback(request)

    @bentoml.api(route="/recommend_by_image", input_spec=form_input(RecommendByImageRequest))
    async def recommend_by_image(
        self, request: RecommendByImageRequest, /
    ) -> RecommendByImageAnswer:
        """Items that look like a picture, and those of them that the user would like best."""
        return await desk().recommend_by_image(request)

    @bentoml.api(route="/similar", input_spec=json_input(SimilarRequest))
    async def similar(self, request: SimilarRequest, /) -> SimilarAnswer:
        """The items that look most like an item."""
        return desk().similar(request)

    @bentoml.api(route="/predict_rating", input_spec=json_input(PredictRequest))
    async def predict_rating(self, request: PredictRequest, /) -> PredictAnswer:
        """How users would rate items, a pair each."""
        return desk().predict_rating(request)

    @bentoml.api(route="/predict_rating_by_image", input_spec=form_input(PredictByImageRequest))
    async def predict_rating_by_image(
        self, request: PredictByImageRequest, /
    ) -> PredictByImageAnswer:
        """How users would rate a picture that the model has never seen."""
        return await desk().predict_rating_by_image(request)

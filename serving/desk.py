"""The desk of a worker: answers every address from the release of now, and keeps the logs."""

import gc
import logging
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from components.errors import BeholderError, ImageError
from components.settings import Settings
from serving import (
    answers,
    feedback,
    looks,  # noqa: F401 - so that no request waits for it
    recording,
)
from serving.asked import answered_by, answered_from
from serving.current import Current
from serving.guard import caller
from serving.looking import Looking
from serving.metrics import open_meter
from serving.refusal import Refusal, not_ready
from serving.release import Release, find_release, open_release
from serving.schemas.answers import (
    FeedbackAnswer,
    ModelAnswer,
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

if TYPE_CHECKING:
    from components.models.catalogue import Floats

# A thread more would only contend with the other workers for the same cores.
_THREADS = 1

AnswerT = TypeVar("AnswerT", bound=BaseModel)

log = logging.getLogger(__name__)


class Desk:
    """What one worker answers with: the current release, and where it keeps what it is told."""

    def __init__(self, settings: Settings) -> None:
        """Open the release and the logs; where the release must not answer, `is_ready` says so."""
        self._current = _open(settings)
        self._feedback = feedback.open_log(settings.feedback_url)
        self._answers = recording.open_log(settings)
        self._looking = Looking(open_meter().count_batch)
        settle_memory()

    @property
    def is_ready(self) -> bool:
        """Whether there is a release that has passed its self-check."""
        return self._current is not None

    def take_release(self) -> Release:
        """Return the release to answer this request from; raise Refusal while there is none."""
        if self._current is None:
            raise not_ready()
        release = self._current.release
        answered_from(release)
        return release

    def close(self) -> None:
        """End the threads; store what users told and were told, and still waits."""
        self._looking.close()
        for kept in (self._feedback, self._answers):
            if kept is not None:
                kept.close()

    def describe(self) -> ModelAnswer:
        """Answer /model."""
        return answers.describe(self.take_release())

    def recommend(self, request: RecommendRequest) -> RecommendAnswer:
        """Answer /recommend, with what the user told since the model was learnt."""
        release = self.take_release()
        remembered = self._recall(release)(request.user_id)
        return self._record("recommend", request, answers.recommend(release, request, remembered))

    def similar(self, request: SimilarRequest) -> SimilarAnswer:
        """Answer /similar."""
        return self._record("similar", request, answers.similar(self.take_release(), request))

    def predict_rating(self, request: PredictRequest) -> PredictAnswer:
        """Answer /predict_rating."""
        release = self.take_release()
        answer = answers.predict_rating(release, request, self._recall(release))
        return self._record("predict_rating", request, answer)

    async def recommend_by_image(self, request: RecommendByImageRequest) -> RecommendByImageAnswer:
        """Answer /recommend_by_image."""
        release = self.take_release()
        answer = answers.recommend_by_image(
            release,
            await self._look(release, *request.image),
            user_id=request.user_id,
            k=request.k,
            exclude=request.exclude,
            recall=self._recall(release),
        )
        return self._record("recommend_by_image", request, answer)

    async def predict_rating_by_image(self, request: PredictByImageRequest) -> PredictByImageAnswer:
        """Answer /predict_rating_by_image."""
        release = self.take_release()
        (embedding_E,) = await self._look(release, request.image)
        answer = answers.predict_rating_by_image(
            release, embedding_E, request.user_ids, self._recall(release)
        )
        return self._record("predict_rating_by_image", request, answer)

    async def take_feedback(self, request: FeedbackRequest) -> FeedbackAnswer:
        """Answer /feedback when it is stored for good."""
        return await feedback.take(self.take_release(), self._feedback, request, caller.get())

    def _recall(self, release: Release) -> answers.Recall:
        """Return what tells of a user what the release has not learnt yet."""
        return partial(feedback.recall, release, self._feedback)

    async def _look(self, release: Release, *contents: bytes) -> "Floats":
        try:
            return await self._looking.embed(release, contents)
        except ImageError as error:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"image: {error}") from None

    def _record(self, route: str, request: BaseModel, answer: AnswerT) -> AnswerT:
        answered_by(getattr(answer, "path", None))
        return recording.record(self._answers, route, request, answer)


def settle_memory() -> None:
    """Tell the collector that what lives now lives on, so that it need not walk it every time."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _open(settings: Settings) -> Current | None:
    """Return what answers, or None when it must not: the log says why, /readyz says no."""
    import torch
    from threadpoolctl import threadpool_limits

    from components.devices import pick_device

    device = pick_device(settings)
    threads = settings.threads or _THREADS
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")
    try:
        return Current(
            find_release(settings.release),
            settings.endpoint_folder,
            lambda place: open_release(Path(place.bento), device, place),
            after_swap=settle_memory,
        )
    except BeholderError as error:
        log.error("release refused reason=%s", error)
        return None

"""What the client returns: the endpoint's answers, each with the id of its request."""

from typing import TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from serving.client.transport import REQUEST_ID, EndpointError
from serving.schemas.answers import (
    ExplainAnswer,
    FeedbackAnswer,
    ItemAnswer,
    ItemsAnswer,
    ModelAnswer,
    Origin,
    PredictAnswer,
    PredictByImageAnswer,
    RecommendAnswer,
    RecommendByImageAnswer,
    SimilarAnswer,
)


class Named(BaseModel):
    """An answer that can be told of: in feedback, or to whoever reads the endpoint's log."""

    request_id: str = Field(description="From the header X-Request-Id.")
    model: Origin


class Recommended(Named, RecommendAnswer):
    """Items for a user."""


class RecommendedByImage(Named, RecommendByImageAnswer):
    """Items that look like pictures."""


class Similar(Named, SimilarAnswer):
    """Items that look like an item."""


class Predicted(Named, PredictAnswer):
    """Ratings of pairs."""


class PredictedByImage(Named, PredictByImageAnswer):
    """Ratings of a picture."""


class Acknowledged(Named, FeedbackAnswer):
    """What is stored for good."""


class Item(Named, ItemAnswer):
    """One item."""


class Items(Named, ItemsAnswer):
    """A page of the catalogue."""


class Explained(Named, ExplainAnswer):
    """What items look like."""


class Model(Named, ModelAnswer):
    """Which model answers."""


Whole = TypeVar("Whole", bound=Named)


def read_answer(kind: type[Whole], answer: httpx.Response) -> Whole:
    """Return the typed answer; raise EndpointError if it is another server's or version's."""
    request_id = answer.headers.get(REQUEST_ID) or answer.request.headers[REQUEST_ID]
    try:
        return kind.model_validate({**answer.json(), "request_id": request_id})
    except (ValueError, TypeError) as error:
        what = error.errors()[0] if isinstance(error, ValidationError) else None
        place = ".".join(str(part) for part in what["loc"]) if what else "no JSON object"
        raise EndpointError(
            f"{answer.url} answered what this client does not understand ({place}); is it a "
            "Beholder endpoint of this version?",
            status=answer.status_code,
            request_id=request_id,
        ) from error

"""What one may ask the endpoint: bodies, forms, and what stands behind a `?`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from serving.schemas.fields import (
    MAX_DIVERSE,
    MAX_EVENTS,
    MAX_ID,
    MAX_LIST,
    MAX_OFFSET,
    MAX_PAGE,
    MAX_PICTURES,
    MAX_SEED,
    MAX_TIMESTAMP,
    MAX_USERS,
    Exclude,
    Identifier,
    K,
    StoredIdentifier,
    Upload,
    UserId,
)


class Request(BaseModel):
    """A request's body: frozen, no unknown field, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FormRequest(BaseModel):
    """A request's form, whose fields come as text and are converted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RatedItem(Request):
    """An item and how the user rated it."""

    item_id: Identifier = Field(examples=["50"])
    rating: FiniteFloat = Field(description="On the model's scale, see /model.", examples=[4.5])
    timestamp: int | None = Field(
        None,
        ge=0,
        le=MAX_TIMESTAMP,
        description="When, in seconds since 1970. Ratings of a moment ago tell of a mood that soon "
        "fades; one without a time tells of lasting taste only.",
        examples=[1767225600],
    )


class RecommendRequest(Request):
    """Whom to recommend to: a known user, somebody described by ratings, both, or anybody."""

    user_id: UserId | None = None
    history: list[RatedItem] = Field(
        [],
        max_length=MAX_LIST,
        description="Ratings, oldest first, on top of what training knows of the user.",
        examples=[[{"item_id": "50", "rating": 4.5}]],
    )
    k: K = 10
    exclude: Exclude = []
    category: Identifier | None = Field(None, description="Return items of this category only.")
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="How much looks that differ count beside ratings: 0 is the best items whatever "
        f"they look like, 1 is those that look least alike. Above 0, k is {MAX_DIVERSE} at most.",
        examples=[0.3],
    )

    @model_validator(mode="after")
    def _check_diverse(self) -> "RecommendRequest":
        if self.diversity > 0 and self.k > MAX_DIVERSE:
            raise ValueError(f"with diversity, k is {MAX_DIVERSE} at most, not {self.k}")
        return self


class SimilarRequest(Request):
    """An item whose look-alikes are wanted."""

    item_id: Identifier = Field(description="An item that has an image.", examples=["50"])
    k: K = 10
    exclude: Exclude = []


class Pair(Request):
    """A user and an item."""

    user_id: UserId
    item_id: Identifier = Field(examples=["50"])


class PredictRequest(Request):
    """Which ratings to predict."""

    pairs: list[Pair] = Field(
        min_length=1,
        max_length=MAX_LIST,
        examples=[[{"user_id": "196", "item_id": "50"}]],
    )


class FeedbackEvent(Request):
    """One thing that a user did with an item."""

    event_id: Identifier = Field(
        description="Made up by the sender, another for each event: the same one sent again, after "
        "a time-out for example, is stored once.",
        examples=["3f0c2a52-8e0b-4c3e-9d7e-0a4f4e0c7f11"],
    )
    user_id: StoredIdentifier = Field(examples=["196"])
    item_id: StoredIdentifier = Field(examples=["50"])
    kind: Literal["rating", "view", "click"] = Field(examples=["rating"])
    value: FiniteFloat | None = Field(
        None,
        description="The rating, on the model's scale (see /model); only for ratings, and needed "
        "there.",
        examples=[4.5],
    )
    timestamp: int | None = Field(
        None,
        ge=0,
        le=MAX_TIMESTAMP,
        description="When, in seconds since 1970; default: now.",
        examples=[1767225600],
    )
    request_id: Identifier | None = Field(
        None,
        description="The request whose answer the event is about, from its header.",
        examples=["9b2c7d1e"],
    )
    version: Identifier | None = Field(
        None, description="The model's version, as that answer named it.", examples=["3"]
    )
    lineage_id: Identifier | None = Field(
        None, description="The lineage id, as that answer named it.", examples=["814e34d0720b36d1"]
    )

    @model_validator(mode="after")
    def _check_value(self) -> "FeedbackEvent":
        if (self.value is not None) != (self.kind == "rating"):
            needs = "needs a" if self.kind == "rating" else "has no"
            raise ValueError(f"a {self.kind} {needs} value")
        return self


class FeedbackRequest(Request):
    """What users did; all of it is stored, or nothing."""

    events: list[FeedbackEvent] = Field(
        min_length=1,
        max_length=MAX_EVENTS,
        examples=[
            [
                {
                    "event_id": "3f0c2a52-8e0b-4c3e-9d7e-0a4f4e0c7f11",
                    "user_id": "196",
                    "item_id": "50",
                    "kind": "rating",
                    "value": 4.5,
                }
            ]
        ],
    )


class RecommendByImageRequest(FormRequest):
    """Pictures of what is wanted, and for whom to recommend."""

    image: list[Upload] = Field(
        min_length=1,
        max_length=MAX_PICTURES,
        description="The part repeated for each picture: what is common to their looks counts.",
    )
    user_id: UserId | None = None
    k: K = 10
    exclude: Exclude = []


class PredictByImageRequest(FormRequest):
    """A picture, and the users whose rating of it is wanted."""

    image: Upload
    user_ids: list[Identifier] = Field(
        min_length=1,
        max_length=MAX_USERS,
        description="The field repeated for each user, or one JSON list.",
        examples=[["196", "22"]],
    )


class ItemsRequest(FormRequest):
    """Which page of the catalogue to list."""

    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="How many items to leave out first.")
    limit: int = Field(24, ge=1, le=MAX_PAGE, description="How many items to list at most.")
    category: Identifier | None = Field(None, description="List items of this category only.")
    with_picture: bool = Field(False, description="List items that have an image only.")
    shuffle: int | None = Field(
        None,
        ge=0,
        le=MAX_SEED,
        description="A number that mixes the items, always in the same way; "
        "without it they come in the catalogue's order.",
    )


class PictureRequest(FormRequest):
    """How large a picture is wanted, and of which release."""

    width: Literal[160, 320] = Field(320, description="No wider than this; never enlarged.")
    release: str | None = Field(
        None,
        max_length=MAX_ID,
        description="The lineage id of the answer that named the item. If it is that of the "
        "release in service, the picture may be kept for ever.",
    )

    @field_validator("width", mode="before")
    @classmethod
    def _read_number(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value in ("160", "320") else value


class ExplainRequest(Request):
    """Items, and what somebody liked: which of it does each look like?"""

    item_ids: list[Identifier] = Field(min_length=1, max_length=MAX_PAGE, examples=[["50"]])
    liked: list[Identifier] = Field(min_length=1, max_length=MAX_LIST, examples=[["1", "2"]])

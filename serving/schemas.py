"""What one may ask the endpoint and what it answers: every field typed, bounded and described."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

MAX_K = 1000
MAX_LIST = 1000
MAX_ID = 256
MAX_USERS = 100
MAX_PICTURES = 8
# Every pick compares what is left with it, so a diverse list is a short one.
MAX_DIVERSE = 100
MAX_EVENTS = 1000
MAX_PAGE = 100
MAX_OFFSET = 100_000_000
MAX_SEED = 2_147_483_647
MAX_TIMESTAMP = 4_102_444_800  # 2100-01-01

# A NUL is where other software would cut an id off.
Identifier = Annotated[str, Field(min_length=1, max_length=MAX_ID, pattern=r"^[^\x00]+$")]


def _check_ends(identifier: str) -> str:
    if identifier != identifier.strip():
        raise ValueError("an id neither begins nor ends with a blank")
    return identifier


# What becomes a row of a batch, where blanks around an id are cut off.
StoredIdentifier = Annotated[Identifier, AfterValidator(_check_ends)]
UserPath = Literal["factors", "history", "prior"]
ListPath = Literal["factors", "history", "prior", "rules"]
ItemPath = Literal["factors", "images", "prior"]

K = Annotated[
    int, Field(ge=1, le=MAX_K, description="How many items to return at most.", examples=[10])
]
Exclude = Annotated[
    list[Identifier],
    Field(max_length=MAX_LIST, description="Items that shall not be returned.", examples=[["1"]]),
]
UserId = Annotated[
    Identifier,
    Field(description="The user; one that training never saw gets the prior.", examples=["196"]),
]
Rating = Annotated[float, Field(description="Predicted rating, on the model's scale.")]
Unknown = Annotated[
    list[str], Field(description="Items of the request that the model does not know.")
]
AnswerPath = Annotated[
    UserPath,
    Field(
        description="What the answer rests on: factors learnt for the user, the ratings of the "
        "user (history), or nothing but the average user (prior)."
    ),
]

AnswerListPath = Annotated[
    ListPath,
    Field(
        description="What the list rests on: factors learnt for the user, the ratings of the user "
        "(history), or nothing known of the user: then what is rated often, of late and well "
        "(rules), or the average user (prior) where the model was made without that rule."
    ),
]


class FileSchema:
    """Shows a field as a file: to OpenAPI as a binary string, to BentoML's own client as `file`."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe the field; BentoML asks in the mode `validation`, OpenAPI in the other."""
        value = {**handler(schema), "type": "string", "format": "binary"}
        if handler.mode == "validation":
            value |= {"type": "file", "format": "image"}
        return value


Upload = Annotated[
    bytes, FileSchema(), Field(description="A JPEG, PNG or WebP picture, sent as a file part.")
]


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
    category: Identifier | None = Field(
        None, description="Return items of this category only.", examples=["landscape"]
    )
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
    category: Identifier | None = Field(
        None, description="List items of this category only.", examples=["landscape"]
    )
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


class Answer(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True)


class Origin(Answer):
    """Which model answered."""

    version: str = Field(description="Version of the registered model.")
    lineage_id: str = Field(description="Names the data, code and parameters it was learnt from.")
    catalogue: str | None = Field(
        None,
        description="Names what a refresh of the catalogue changed since: new, renamed and "
        "withdrawn items; null where it is as the model learnt it.",
        examples=["5f0c3a9be1d2"],
    )


class ItemFacts(Answer):
    """An item, as the catalogue describes it."""

    item_id: str
    title: str
    category: str


class ItemSummary(ItemFacts):
    """An item of a list."""

    has_picture: bool = Field(description="Whether it has an image; the endpoint may hold no copy.")


class ItemsAnswer(Answer):
    """A page of the catalogue."""

    items: list[ItemSummary]
    total: int = Field(description="How many items there are, on all pages.")
    categories: list[str] = Field(description="Every category of the catalogue.")
    model: Origin


class ItemAnswer(ItemSummary):
    """One item."""

    ratings: int = Field(description="How many ratings of it the model has learnt from.")
    mean_rating: float | None = Field(description="Their mean; null where there is none.")
    available: bool = Field(description="Whether it may be recommended.")
    learnt: bool = Field(
        description="Whether it was there when the model was learnt; one that came since is served "
        "from its image."
    )
    model: Origin


class Reason(Answer):
    """Which liked item an item looks most like; null where one of them has no image."""

    item_id: str
    nearest: str | None
    similarity: float | None = Field(description="Cosine of the looks; 1 is the same look.")


class ExplainAnswer(Answer):
    """What each item looks like, in the order asked: what is alike, not what the model weighed."""

    reasons: list[Reason]
    unknown_items: Unknown
    model: Origin


class RecommendedItem(ItemFacts):
    """An item to recommend."""

    rating: Rating


class SimilarItem(ItemFacts):
    """An item that looks alike."""

    similarity: float = Field(description="Cosine of the looks; 1 is the same look.")


class RecommendedLook(SimilarItem):
    """An item that looks alike, and how the user would rate it."""

    rating: Rating


class RecommendAnswer(Answer):
    """Items for a user, best first; by `rules` that is not by rating."""

    items: list[RecommendedItem]
    path: AnswerListPath
    remembered: int | None = Field(
        0,
        description="How many ratings of the user were taken from what /feedback stored since the "
        "model was learnt; null where the log could not be read.",
    )
    unknown_items: Unknown
    model: Origin


class SimilarAnswer(Answer):
    """Items that look alike, most alike first."""

    items: list[SimilarItem]
    unknown_items: Unknown
    model: Origin


class PredictedRating(Answer):
    """The predicted rating of a pair, and what it rests on."""

    user_id: str
    item_id: str
    rating: Rating
    path: AnswerPath
    item_path: ItemPath


class PredictAnswer(Answer):
    """The predicted ratings, in the order of the pairs."""

    ratings: list[PredictedRating]
    unknown_items: Unknown
    unknown_users: list[str] = Field(description="Users whom the model does not know.")
    model: Origin


class RecommendByImageAnswer(Answer):
    """What looks like the picture, and which of it the user would like best."""

    similar: list[SimilarItem] = Field(
        description="Most alike first; of several pictures, to the mean of their looks."
    )
    items: list[RecommendedLook] = Field(
        description="From a wider circle of look-alikes, best for the user first."
    )
    rating: float = Field(
        description="How the user would rate the picture itself; of several, the mean."
    )
    path: AnswerPath
    item_path: ItemPath
    unknown_items: Unknown
    model: Origin


class FeedbackAnswer(Answer):
    """What is stored for good."""

    stored: int = Field(description="Events that are new.")
    repeated: int = Field(description="Events that had been stored before, by the same id.")
    unknown_items: Unknown
    unknown_users: list[str] = Field(
        description="Users whom the model does not know; their events are stored as well."
    )
    model: Origin


class UserRating(Answer):
    """How a user would rate the picture."""

    user_id: str
    rating: Rating
    path: AnswerPath


class PredictByImageAnswer(Answer):
    """The picture's predicted ratings, in the order of the users."""

    ratings: list[UserRating]
    item_path: ItemPath
    unknown_users: list[str] = Field(description="Users whom the model does not know.")
    model: Origin


class Counts(Answer):
    """How much the model was learnt from, and what its catalogue holds."""

    users: int
    items: int
    items_with_image: int
    items_appended: int = Field(description="Of the items: those that came since it was learnt.")
    items_withdrawn: int = Field(description="Of the items: those that are not recommended.")
    ratings: int


class SearchFacts(Answer):
    """How one kind of list is found."""

    way: Literal["exact", "index"] = Field(
        description="By the scores of all items, or of those that an index names."
    )
    index: str | None = Field(description="The index in faiss's words.", examples=["IVF4000"])
    recall: float = Field(
        description="The share of the exact best `k` that is found; 1 by definition if exact."
    )
    k: int | None = Field(description="The length of the lists on which that was measured.")


class Retrieval(Answer):
    """How lists are found: by predicted rating (`tastes`), and by likeness (`looks`)."""

    tastes: SearchFacts
    looks: SearchFacts


class ModelAnswer(Answer):
    """Which model answers here, and where it comes from."""

    model: Origin
    family: str
    digest: str = Field(description="Hash of every byte of the model.")
    scale: tuple[float, float] = Field(description="Lowest and highest rating.")
    counts: Counts
    encoder: str = Field(description="The network that sees the pictures.")
    retrieval: Retrieval
    lineage: dict[str, str]


class Problem(Answer):
    """Why a request was not answered."""

    error: str = Field(examples=["k: 5000000 is more than 1000"])

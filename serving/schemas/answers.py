"""What the endpoint answers, and how it refuses."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

UserPath = Literal["factors", "history", "prior"]
ListPath = Literal["factors", "history", "prior", "rules"]
ItemPath = Literal["factors", "images", "prior"]

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

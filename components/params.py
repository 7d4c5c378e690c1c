"""params.yaml, typed and frozen: every number that changes a result, one section a step."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.errors import ParameterError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A section of params.yaml: frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(Section):
    """What a rating and an item are here."""

    rating_min: float
    rating_max: float
    items_without_image: Literal["keep", "quarantine"]

    @model_validator(mode="after")
    def _check_scale(self) -> "Data":
        if not self.rating_min < self.rating_max:
            raise ValueError(
                f"rating_min {self.rating_min} is not below rating_max {self.rating_max}"
            )
        return self


class Ingest(Section):
    """What may come in at the door."""

    max_image_megabytes: Positive


class Budget(Section):
    """The share of refused rows of each table over which validation fails."""

    ratings: Share
    items: Share
    images: Share


class Drift(Section):
    """When a batch looks too different from everything before it."""

    max_psi: Positive
    min_rows: Annotated[int, Field(ge=1)]
    accepted: tuple[str, ...]


class Validation(Section):
    """What Great Expectations holds the data to."""

    min_ratings: Annotated[int, Field(ge=1)]
    min_users: Annotated[int, Field(ge=1)]
    min_items: Annotated[int, Field(ge=1)]
    min_images: Annotated[int, Field(ge=0)]
    min_timestamp: int
    max_timestamp: int
    min_image_side: Annotated[int, Field(ge=1)]
    # From 89 megapixels on Pillow warns of a decompression bomb by itself.
    max_image_megapixels: Annotated[float, Field(gt=0, le=89)]
    min_image_contrast: Share
    budget: Budget
    drift: Drift


class Split(Section):
    """Which rows are learnt from and which are kept for the test."""

    strategy: Literal["global_time", "user_time", "random", "cold_item"]
    test_share: Annotated[float, Field(gt=0, lt=1)]
    valid_share: Annotated[float, Field(gt=0, lt=1)]
    min_user_ratings: Annotated[int, Field(ge=2)]
    seed: int


class Embed(Section):
    """The torchvision encoder and how it computes."""

    encoder: str
    precision: Literal["float32", "bfloat16"]
    batch_size: Annotated[int, Field(ge=1)]


class Train(Section):
    """The family to learn and how; each `_prior` is σ² of a rating over that of a parameter."""

    family: Literal["mean", "popularity", "biases", "mf", "hybrid"]
    seed: int
    factors: Annotated[int, Field(ge=1)]
    image_factors: Annotated[int, Field(ge=1)]
    learning_rate: Positive
    batches: Annotated[int, Field(ge=1)]
    max_epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]
    bias_prior: Positive
    factor_prior: Positive
    history_prior: Positive
    history_bias_prior: Positive
    image_prior: Positive
    image_bias_prior: Positive
    image_history_prior: Positive
    id_dropout: Annotated[float, Field(ge=0, lt=1)]
    history_dropout: Annotated[float, Field(ge=0, lt=1)]


class Evaluate(Section):
    """How the candidate is measured."""

    k: Annotated[int, Field(ge=1, le=1000)]
    relevant_from: float
    sampled_users: Annotated[int, Field(ge=1)]
    bootstrap: Annotated[int, Field(ge=100)]
    level: Annotated[float, Field(gt=0.5, lt=1)]
    seed: int


class Refit(Section):
    """How the served bundle follows from the evaluated recipe."""

    golden_questions: Annotated[int, Field(ge=1, le=1000)]
    golden_images: Annotated[int, Field(ge=1, le=16)]
    seed: int


class Trial(Section):
    """What a Bento must keep to before it may be promoted."""

    tolerance: Positive
    requests: Annotated[int, Field(ge=10, le=10_000)]
    max_latency_ms: Positive
    max_memory_mb: Positive
    max_start_seconds: Positive


class Gate(Section):
    """When a candidate may take the champion's place."""

    level: Annotated[float, Field(gt=0.5, lt=1)]
    bootstrap: Annotated[int, Field(ge=100)]
    min_rows: Annotated[int, Field(ge=1)]
    min_users: Annotated[int, Field(ge=2)]
    seed: int


class Params(Section):
    """The whole of params.yaml."""

    data: Data
    ingest: Ingest
    validation: Validation
    split: Split
    embed: Embed
    train: Train
    evaluate: Evaluate
    refit: Refit
    trial: Trial
    gate: Gate


def load_params(path: Path) -> Params:
    """Read params.yaml; raise ParameterError naming the first key that is wrong, and its value."""
    try:
        return Params.model_validate(yaml.safe_load(path.read_text()))
    except FileNotFoundError as error:
        raise ParameterError(f"{path} is missing; 'beholder init DIR' writes one") from error
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise ParameterError(f"{path} is not valid YAML: {why}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ParameterError(
            f"{path}: {key}: {first['msg']} (got {first['input']!r:.80})"
        ) from error

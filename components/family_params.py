"""The sections of params.yaml that belong to one family each, under `families`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A section of params.yaml: frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Section):
    """A family without options."""


class Shrinkage(Section):
    """Means shrunk towards zero by so many pseudo-ratings."""

    prior: Positive


class Rules(Section):
    """Recent means of items, shrunk towards those of their categories by pseudo-ratings."""

    half_life_days: Positive
    prior: Positive
    category_prior: Positive


class Schedule(Section):
    """How a family that learns by the loop takes its steps.

    `averaging` is how much of the average over past steps, which answers, each new step leaves; 0
    answers from the last step alone.
    """

    learning_rate: Positive
    batches: Count
    max_epochs: Count
    patience: Count
    averaging: BelowOne = 0.0

    def batches_a_step(self) -> int:
        """Return how many batches the optimiser adds up before it takes a step."""
        return 1

    def least_epochs(self) -> int:
        """Return how many epochs are run before patience can run out."""
        return 0


class LookOptions(Section):
    """A family that reads images, through so many principal components of their embeddings."""

    image_factors: Count


class Content(LookOptions):
    """Images alone; each `_prior` is σ² of a rating over that of a parameter."""

    bias_prior: Positive
    item_prior: Positive
    image_bias_prior: Positive
    taste_prior: Positive


class MatrixFactorization(Schedule):
    """Biases and factors; each `_prior` is σ² of a rating over that of a parameter."""

    factors: Count
    bias_prior: Positive
    factor_prior: Positive


class SvdPlusPlus(MatrixFactorization):
    """Matrix factorization with a sum over what a user rated."""

    history_prior: Positive


class NewItems(Section):
    """How an item that nobody rated is rated: by what it looks like and its categories."""

    bias_prior: Positive
    item_prior: Positive
    image_bias_prior: Positive
    taste_prior: Positive
    category_bias_prior: Positive
    category_taste_prior: Positive


class Hybrid(Schedule, LookOptions):
    """Factors, histories and images; each `_prior` is σ² of a rating over that of a parameter."""

    factors: Count
    bias_prior: Positive
    user_bias_prior: Positive
    factor_prior: Positive
    history_prior: Positive
    history_bias_prior: Positive
    image_prior: Positive
    image_bias_prior: Positive
    category_prior: Positive
    category_bias_prior: Positive
    history_dropout: BelowOne
    session_prior: Positive
    session_weight_prior: Positive
    new_items: NewItems


class Augmentation(Section):
    """How far a picture may be changed while it is learnt from; all drawn evenly."""

    crop: Annotated[float, Field(gt=0, le=1)]
    aspect: Annotated[float, Field(ge=1, le=4)]
    rotation: Annotated[float, Field(ge=0, le=180)]
    flip: Share
    brightness: BelowOne
    contrast: BelowOne
    saturation: BelowOne
    hue: Annotated[float, Field(ge=0, le=0.5)]


class Finetuned(Schedule, LookOptions):
    """Factors, images and the CNN; each `_prior` is σ² of a rating over that of a parameter."""

    encoder_learning_rate: Positive
    warmup_epochs: Annotated[int, Field(ge=0)]
    trained_stages: Count
    images: Count
    accumulate: Count
    images_per_item: Count
    pooling: Literal["mean", "attention"]
    cpu_precision: Literal["float32", "bfloat16"]
    factors: Count
    bias_prior: Positive
    factor_prior: Positive
    image_prior: Positive
    image_bias_prior: Positive
    encoder_prior: Annotated[float, Field(ge=0)]
    id_dropout: BelowOne
    augmentation: Augmentation

    def batches_a_step(self) -> int:
        """Return how many batches of images make a step."""
        return self.accumulate

    def least_epochs(self) -> int:
        """Return enough for the encoder to have its chance once the head is warm."""
        return self.warmup_epochs + self.patience


class Sequential(Schedule, LookOptions):
    """A state made of the latest ratings; each `_prior` is σ² of a rating over a parameter's."""

    factors: Count
    width: Count
    length: Count
    scales: Annotated[tuple[Positive, ...], Field(min_length=1)]
    fading_prior: Positive
    bias_prior: Positive
    factor_prior: Positive
    image_prior: Positive
    image_bias_prior: Positive
    out_prior: Positive
    network_prior: Positive
    id_dropout: BelowOne
    user_dropout: BelowOne
    timeless_share: Share


class Gru(Sequential):
    """A state made by a gated recurrent unit."""


class Sasrec(Sequential):
    """A state made by causal self-attention."""

    blocks: Count
    heads: Count

    @model_validator(mode="after")
    def _check_heads(self) -> "Sasrec":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be divided among {self.heads} heads")
        return self


class Families(Section):
    """One section a family, by its name."""

    mean: Nothing
    popularity: Shrinkage
    rules: Rules
    biases: Shrinkage
    content: Content
    mf: MatrixFactorization
    svdpp: SvdPlusPlus
    hybrid: Hybrid
    gru: Gru
    sasrec: Sasrec
    finetuned: Finetuned

    def options(self, family: str) -> Section:
        """Return the section of a family; raise KeyError if there is no such family."""
        if family not in type(self).model_fields:
            raise KeyError(family)
        section: Section = getattr(self, family)
        return section

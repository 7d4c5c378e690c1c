"""params.yaml, typed and frozen: every number that changes a result, one section a step."""

import math
import re
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from components.errors import ParameterError
from components.family_params import Families, Positive, Section, Share
from components.files import parse_yaml, write_bytes

_NEVER_WRAP = 1 << 16
NEVER = "never"
_CRON = re.compile(r"[\w*/,#-]+( +[\w*/,#-]+){4}")

# A number that is not finite would let everything pass.
Margin = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]
SliceKind = Literal[
    "warm",
    "cold_user",
    "cold_item",
    "few_ratings",
    "many_ratings",
    "recent_item",
    "old_item",
    "early",
    "late",
    "category",
]


def find_cron(schedule: str) -> str | None:
    """Return the cron line of a schedule; None where it is `never`."""
    return None if schedule == NEVER else schedule


def _check_schedule(schedule: str) -> str:
    schedule = schedule.strip()
    if schedule != NEVER and not _CRON.fullmatch(schedule):
        raise ValueError(f"neither {NEVER!r} nor a cron line of five fields, such as '0 3 * * *'")
    return schedule


Schedule = Annotated[str, AfterValidator(_check_schedule)]


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


class Audit(Section):
    """When pictures that are learnt from show up again among the cold items.

    `same_picture` is the correlation of two thumbnails from which they count as one picture,
    `picture_budget` the share of cold items that may show one.
    """

    same_picture: Annotated[float, Field(gt=0, le=1)]
    picture_budget: Share


class Split(Section):
    """Which rows are learnt from and which are kept for the test."""

    strategy: Literal["global_time", "user_time", "random", "cold_item", "cold_user"]
    test_share: Annotated[float, Field(gt=0, lt=1)]
    fold: Annotated[int, Field(ge=0)]
    valid_share: Annotated[float, Field(gt=0, lt=1)]
    min_user_ratings: Annotated[int, Field(ge=2)]
    seed: int
    audit: Audit

    @model_validator(mode="after")
    def _check_fold(self) -> "Split":
        if self.fold and self.strategy in ("global_time", "user_time"):
            raise ValueError(f"{self.strategy} has one test only, so fold must be 0")
        folds = math.floor(1 / self.test_share + 1e-9)
        if self.fold >= folds:
            raise ValueError(
                f"test_share {self.test_share} makes folds 0 to {folds - 1}, none is {self.fold}"
            )
        return self


class Embed(Section):
    """The torchvision encoder and how it computes."""

    encoder: str
    precision: Literal["float32", "bfloat16"]
    batch_size: Annotated[int, Field(ge=1)]


class Train(Section):
    """The family to learn, one of those under `families`, and the seed of all that is drawn."""

    family: str
    seed: int


class Trending(Section):
    """What somebody is shown of whom nothing is known; it goes into every bundle."""

    half_life_days: Positive


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


class IndexOptions(Section):
    """An index of one kind of list, and from how many items on it takes the place of exact search.

    `width` is how many numbers of an item it keeps (in steps of 8), `shortlist` how many rows it
    names to be scored exactly, beyond twice as many as asked for.
    """

    index_from: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1, le=4096)]
    shortlist: Annotated[int, Field(ge=0)]


class Retrieval(Section):
    """How lists are found in a large catalogue, and how well that is measured.

    An index finds the share recall@`k` of the best `k`, on average over `questions` drawn with
    `seed`; it looks into as many of its cells as `recall` takes.
    """

    k: Annotated[int, Field(ge=1, le=1000)] = 10
    questions: Annotated[int, Field(ge=1, le=100_000)] = 200
    seed: Annotated[int, Field(ge=0)] = 0
    recall: Share = 0.98
    tastes: IndexOptions = IndexOptions(index_from=50_000, width=64, shortlist=50)
    looks: IndexOptions = IndexOptions(index_from=20_000, width=128, shortlist=100)

    def options(self, name: str) -> IndexOptions:
        """Return the options of the index `tastes` or `looks`."""
        return {"tastes": self.tastes, "looks": self.looks}[name]


class Trial(Section):
    """How a Bento is tried; what it may cost is the gate's to say (`gate.limits`)."""

    tolerance: Positive
    requests: Annotated[int, Field(ge=10, le=10_000)]
    max_start_seconds: Positive
    # No index may find less of what exact search finds, in lists or in look-alikes.
    min_recall: Share = 0.95


class Slices(Section):
    """By how much no slice may get worse, in rating points of RMSE.

    `category` stands for every category. The slices in `must_hold` must be shown to be within
    their margin; of the others with enough rows and users it is enough that they are not measured
    beyond it.
    """

    min_rows: Annotated[int, Field(ge=1)]
    min_users: Annotated[int, Field(ge=2)]
    margin: Margin
    margins: dict[SliceKind, Margin]
    must_hold: tuple[SliceKind, ...]

    def margin_of(self, kind: str) -> float:
        """Return the margin of a kind of slice."""
        return {str(name): margin for name, margin in self.margins.items()}.get(kind, self.margin)


class Limits(Section):
    """What a champion may cost, as its trial measured it.

    Response times are those of one request after the other, lists and pictures each; memory is
    that of the server and one worker.
    """

    max_latency_p50_ms: Limit
    max_latency_p99_ms: Limit
    max_memory_mb: Limit
    max_bundle_mb: Limit


class Gate(Section):
    """When a candidate may take the champion's place."""

    level: Annotated[float, Field(gt=0.5, lt=1)]
    bootstrap: Annotated[int, Field(ge=100)]
    seed: int
    min_rows: Annotated[int, Field(ge=1)]
    min_users: Annotated[int, Field(ge=2)]
    slices: Slices
    limits: Limits

    @model_validator(mode="after")
    def _check_draws(self) -> "Gate":
        least = math.ceil(10 / (1 - self.level) - 1e-9)
        if self.bootstrap < least:
            raise ValueError(
                f"bootstrap {self.bootstrap} is too few for the ends of {self.level:g} intervals; "
                f"{least} are needed"
            )
        return self


class Review(Section):
    """Who makes a champion: the gate alone, or a person who approves what the gate has passed."""

    policy: Literal["auto", "required"] = "auto"


class Triggers(Section):
    """When a retraining starts by itself; a person who asks for one is always heard.

    `schedule` is a cron line in UTC, or `never`. Who asks within `wait_seconds` joins one run, and
    after a run no other begins for `pause_minutes`. `new_ratings` that came in as feedback ask for
    one. A run needs `min_new_rows` ratings and items that no version has learnt from, unless
    parameters or code changed.
    """

    schedule: Schedule = NEVER
    wait_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    pause_minutes: Annotated[float, Field(ge=0, le=10_080)] = 10.0
    new_ratings: Annotated[int, Field(ge=1)] = 100
    min_new_rows: Annotated[int, Field(ge=0)] = 1
    max_runs_a_day: Annotated[int, Field(ge=1)] = 24
    max_hours_a_day: Limit = 12.0


class Least(Section):
    """Changes up to which nothing is an alarm, however sure they are.

    Of the RMSE in rating points; of ratings as a share of surprising ones; of images as a share of
    the energy distance; of users as a share of who asks; of activity as Kolmogorov-Smirnov's
    distance.
    """

    rmse: Margin = 0.05
    ratings: Margin = 0.2
    images: Margin = 0.02
    users: Margin = 0.1
    activity: Margin = 0.1


class Monitor(Section):
    """How the service is looked at; no result of a step depends on it.

    Lately is the last `days`, or the newest `ratings` and `answers` where those are less. What
    rests on fewer than `min_…` is not judged. While nothing changes, at most the share
    `false_alarms` of looks raises any alarm, found by `draws` of what chance would do. Looks are
    compared on `items` drawn of either side; `keep` snapshots are kept. The worker looks by
    `schedule`, a cron line in UTC, or `never`.
    """

    days: Positive = 7.0
    ratings: Annotated[int, Field(ge=1, le=1_000_000)] = 5_000
    answers: Annotated[int, Field(ge=1, le=1_000_000)] = 50_000
    items: Annotated[int, Field(ge=10, le=5_000)] = 500
    stretch: Annotated[int, Field(ge=1)] = 100
    min_ratings: Annotated[int, Field(ge=2)] = 100
    min_users: Annotated[int, Field(ge=2)] = 20
    min_items: Annotated[int, Field(ge=2)] = 30
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    draws: Annotated[int, Field(ge=100, le=100_000)] = 4_000
    seed: Annotated[int, Field(ge=0)] = 0
    least: Least = Least()
    keep: Annotated[int, Field(ge=2, le=100_000)] = 500
    schedule: Schedule = "*/30 * * * *"

    @model_validator(mode="after")
    def _check_draws(self) -> "Monitor":
        # The five checks share the false alarms; a threshold should rest on more than one draw.
        needed = math.ceil(20 / self.false_alarms - 1e-9)
        if self.draws < needed:
            raise ValueError(
                f"draws {self.draws} is too few for false_alarms {self.false_alarms:g}; "
                f"{needed} are needed"
            )
        return self


# Sections that say when to look and when to retrain; no result depends on them.
WATCHING = frozenset({"triggers", "monitor"})


class Params(Section):
    """The whole of params.yaml."""

    data: Data
    ingest: Ingest
    validation: Validation
    split: Split
    embed: Embed
    train: Train
    families: Families
    trending: Trending
    evaluate: Evaluate
    refit: Refit
    retrieval: Retrieval = Retrieval()
    trial: Trial
    gate: Gate
    review: Review = Review()
    triggers: Triggers = Triggers()
    monitor: Monitor = Monitor()

    @model_validator(mode="after")
    def _check_family(self) -> "Params":
        names = sorted(Families.model_fields)
        if self.train.family not in names:
            raise ValueError(f"train.family {self.train.family!r} is none of {', '.join(names)}")
        return self

    @property
    def options(self) -> Section:
        """Return the options of the family that is learnt."""
        return self.families.options(self.train.family)


def load_params(path: Path) -> Params:
    """Read params.yaml; raise ParameterError naming the first key that is wrong, and its value."""
    try:
        content = parse_yaml(path.read_text())
    except FileNotFoundError as error:
        raise ParameterError(f"{path} is missing; 'beholder init DIR' writes one") from error
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise ParameterError(f"{path} is not valid YAML: {why}") from error
    return validate_params(content, path)


def validate_params(content: object, path: Path) -> Params:
    """Return parameters from what a params.yaml holds; `path` is named in the ParameterError."""
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise ParameterError(f"{path}: {_describe(error.errors())}") from error


def _describe(errors: list[ErrorDetails]) -> str:
    """Return the error that tells most: a key that is misspelt is missing under its right name."""
    unknown = [error for error in errors if error["type"] == "extra_forbidden"]
    first = (unknown or errors)[0]
    *section, name = first["loc"] or ("the file",)
    key = ".".join(map(str, (*section, name)))
    if unknown:
        missing = [
            str(error["loc"][-1])
            for error in errors
            if error["type"] == "missing" and list(error["loc"][:-1]) == section
        ]
        meant = get_close_matches(str(name), missing, n=1)
        hint = f", did you mean {meant[0]!r}?" if meant else ""
        return f"{key}: there is no such key{hint} (got {first['input']!r:.80})"
    if first["type"] == "missing":
        return f"{key} is missing"
    if isinstance(first["input"], dict):
        return f"{key}: {first['msg'].removeprefix('Value error, ')}"
    return f"{key}: {first['msg']} (got {first['input']!r:.80})"


def write_values(path: Path, values: dict[str, object]) -> None:
    """Change some values of a params.yaml, named like `families.hybrid.factors`, and nothing else.

    Comments and order stay. Raises ParameterError, and leaves the file alone, if a key is not
    there or the whole would no longer be valid.
    """
    from ruamel.yaml import YAML

    load_params(path)
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = _NEVER_WRAP
    editor.indent(mapping=2, sequence=4, offset=2)
    content = editor.load(path.read_text())
    for key, value in values.items():
        *sections, name = key.split(".")
        place = content
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict) or name not in place:
            raise ParameterError(f"{path} has no key {key}, so it cannot be set to {value!r}")
        place[name] = value
    text = StringIO()
    editor.dump(content, text)
    validate_params(parse_yaml(text.getvalue()), path)
    write_bytes(path, text.getvalue().encode())

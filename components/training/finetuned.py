"""The end-to-end family while it learns: factors and images, and the CNN that sees the images.

What it exports is answered from by `components.models.finetuned`, where the formula stands.

First the head alone is learnt, on the embeddings that the encoder came with: a head that knows
nothing would spoil the encoder (Kumar et al. 2022, "Fine-tuning can distort pretrained features
and underperform out-of-distribution"). From then on an epoch shows every rated item's images once.

Dimension letters as in `components.training.tensors` and `components.training.gallery`, and
C = D + 1 (the last column is a linear term), E width of an embedding, K image factors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from components.family_params import Finetuned
from components.models.catalogue import UNKNOWN, Bools, Catalogue, Floats, Ints, UserBook
from components.models.hybrid import project_looks
from components.models.protocol import Weights
from components.training.eye import Eye
from components.training.gallery import NO_IMAGE, Views
from components.training.ladder import fit_biases, mean_rating
from components.training.learner import Rows, draw, shuffle
from components.training.learnt import Sight
from components.training.tensors import Interactions, gather

_START_SPREAD = 0.05


@dataclass(frozen=True, kw_only=True)
class SeenRows(Rows):
    """All learnt rows of J items, with the bytes of the images that show them, each image once.

    Row b is of the item in row `shown_B[b]` of `places_JV`.
    """

    pixels_PSS3: Tensor
    places_JV: Tensor
    shown_B: Tensor


class FinetunedLearner(nn.Module):
    """MAP estimate with a normal prior for each block of parameters; the encoder's is around the
    weights that it came with (Li, Grandvalet and Davoine 2018, "Explicit inductive bias for
    transfer learning with convolutional networks", L²-SP).

    ID dropout strikes a row's item: the learnt prior of unknown ones takes its place, so that the
    image must speak.
    """

    epoch: Tensor
    looks_IK: Tensor
    image_mean: Tensor
    image_projection: Tensor

    def __init__(
        self,
        book: UserBook,
        interactions: Interactions,
        catalogue: Catalogue,
        statistics: Weights,
        eye: Eye,
        options: Finetuned,
        generator: Generator,
    ) -> None:
        super().__init__()
        self._options, self._interactions, self._eye = options, interactions, eye
        self._statistics = statistics
        self._mean = float(mean_rating(book))
        self._rated_I = interactions.by_item.offsets.diff() > 0
        self.encoder = nn.ParameterList(eye.trunk.trained.values())
        self._encoder_start = [tensor.detach().clone() for tensor in self.encoder]
        bias_U, bias_I = fit_biases(book, interactions.items, options.bias_prior)
        self.user = nn.Parameter(_start(bias_U, options.factors, generator))
        self.item = nn.Parameter(_start(bias_I, options.factors, generator))
        self.new_item = nn.Parameter(torch.zeros(options.factors + 1))
        self.image = nn.Parameter(torch.zeros(options.image_factors, options.factors + 1))
        is_attentive = options.pooling == "attention"
        self.query = nn.Parameter(torch.zeros(eye.width)) if is_attentive else None
        for name in ("image_mean", "image_projection"):
            self.register_buffer(name, torch.from_numpy(statistics[name]), persistent=False)
        looks_IK = self._project(catalogue.embeddings_IE, catalogue.has_image_I)
        self.register_buffer("looks_IK", looks_IK, persistent=False)
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        # Of which epoch the looks are, and of which items: an encoder that learns outdates them.
        self._looks_epoch, self._fresh_I = 0, np.ones(len(catalogue), bool)
        self.to(interactions.ratings_N.device)

    @property
    def is_warming_up(self) -> bool:
        """Return whether the encoder is still as it came."""
        return int(self.epoch) <= self._options.warmup_epochs

    def batches(self, generator: Generator) -> Iterator[Rows]:
        """Begin an epoch; yield all rows, shuffled at first, then item by item with pictures."""
        self.epoch += 1
        if self.is_warming_up:
            # In so many parts that the optimiser, which adds some up, takes `batches` steps.
            parts = self._options.batches * self._options.accumulate
            yield from shuffle(self._interactions, parts, generator)
            return
        by_item = self._interactions.by_item
        bounds = by_item.offsets.tolist()
        rated = np.flatnonzero(np.diff(bounds))
        for views, pixels_PSS3 in self._eye.show(rated, generator):
            of_items = [by_item.rows_N[bounds[i] : bounds[i + 1]] for i in views.items_J.tolist()]
            yield self._join(views, pixels_PSS3, of_items)

    def _join(self, views: Views, pixels_PSS3: Tensor, of_items: list[Tensor]) -> SeenRows:
        own_B, ratings = torch.cat(of_items), self._interactions
        counts_J = torch.tensor([len(rows) for rows in of_items])
        shown_B = torch.repeat_interleave(torch.arange(len(of_items)), counts_J)
        return SeenRows(
            ratings.users_N[own_B],
            ratings.items_N[own_B],
            own_B,
            ratings.times_N[own_B],
            pixels_PSS3=pixels_PSS3,
            places_JV=torch.from_numpy(views.places_JV).to(own_B.device),
            shown_B=shown_B.to(own_B.device),
        )

    def rate(self, rows: Rows, generator: Generator | None) -> Tensor:
        """Return B ratings; with a generator, some items are struck as unknown."""
        user_BC = gather(self.user, rows.users_B.clamp(min=0))
        user_BC = user_BC * (rows.users_B != UNKNOWN)[:, None]
        new_B = ~self._rated_I[rows.items_B]
        if generator is not None:
            new_B = draw(generator, self._options.id_dropout, len(new_B), new_B.device)
        ids_BC = torch.where(new_B[:, None], self.new_item, gather(self.item, rows.items_B))
        item_BC = ids_BC + self._images_say(rows, learns=generator is not None)
        dots_B = (user_BC[:, :-1] * item_BC[:, :-1]).sum(1)
        return self._mean + user_BC[:, -1] + item_BC[:, -1] + dots_B

    def _images_say(self, rows: Rows, *, learns: bool) -> Tensor:
        """Return W f of each row's item (B, C)."""
        if isinstance(rows, SeenRows):
            embeddings_JE = self._eye.look(rows.pixels_PSS3, rows.places_JV, self.query)
            has_image_J = (rows.places_JV != NO_IMAGE).any(1)
            looks_JK = (embeddings_JE - self.image_mean) @ self.image_projection
            return gather((looks_JK * has_image_J[:, None]) @ self.image, rows.shown_B)
        if not learns:
            self._refresh(np.unique(rows.items_B.cpu().numpy()))
        return gather(self.looks_IK @ self.image, rows.items_B)

    def _refresh(self, items: Ints) -> None:
        """See to it that the looks of some items are those that the encoder gives now."""
        if self.is_warming_up:
            return
        if self._looks_epoch != int(self.epoch):
            self._looks_epoch, self._fresh_I = int(self.epoch), np.zeros_like(self._fresh_I)
        stale = items[~self._fresh_I[items]]
        if len(stale):
            looks_JK = self._project(
                self._eye.see(stale, self._query()), self._eye.has_image(stale)
            )
            self.looks_IK[torch.from_numpy(stale)] = looks_JK.to(self.looks_IK.device)
            self._fresh_I[stale] = True

    def _project(self, embeddings_JE: Floats, has_image_J: Bools) -> Tensor:
        mean_E, projection_EK = (
            self._statistics[name] for name in ("image_mean", "image_projection")
        )
        return torch.from_numpy(project_looks(embeddings_JE, has_image_J, mean_E, projection_EK))

    def _query(self) -> Floats | None:
        return None if self.query is None else self.query.detach().cpu().numpy()

    def penalty(self) -> Tensor:
        """Return Σ prior × squares, block by block; the encoder's of what it has moved."""
        options = self._options
        vectors = self.user[:, :-1].square().sum() + self.item[:, :-1].square().sum()
        biases = self.user[:, -1].square().sum() + self.item[:, -1].square().sum()
        images, image_biases = self.image[:, :-1], self.image[:, -1]
        penalty = (
            options.factor_prior * (vectors + self.new_item[:-1].square().sum())
            + options.bias_prior * biases
            + options.image_prior * images.square().sum()
            + options.image_bias_prior * image_biases.square().sum()
        )
        if self.is_warming_up:
            return penalty
        moved = [
            (now - start).square().sum()
            for now, start in zip(self.encoder, self._encoder_start, strict=True)
        ]
        return penalty + options.encoder_prior * torch.stack(moved).sum()

    def module(self) -> nn.Module:
        """Return itself."""
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the head's parameters, and the encoder's with their own learning rate."""
        of_encoder = {id(tensor) for tensor in self.encoder}
        head = [tensor for tensor in self.parameters() if id(tensor) not in of_encoder]
        return [
            {"params": head},
            {"params": list(self.encoder), "lr": self._options.encoder_learning_rate},
        ]

    def export(self) -> Weights:
        """Return what `components.models.finetuned` reads, but for the image statistics."""
        tensors = {"item": self.item, "new_item": self.new_item, "image": self.image}
        weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
        priors = [self._options.bias_prior, self._options.factor_prior]
        weights["mean"] = np.array([self._mean], np.float32)
        weights["user_priors"] = np.array(priors, np.float32)
        query_E = self._query()
        return weights if query_E is None else weights | {"pooling": query_E.copy()}

    def see(self) -> tuple[Catalogue, Sight] | None:
        """Return the catalogue as it is seen now; None if it is seen as it was."""
        return None if self.is_warming_up else self._eye.see_all(self._query())


def _start(bias_G: Floats, factors: int, generator: Generator) -> Tensor:
    vectors_GD = torch.randn(len(bias_G), factors, generator=generator) * _START_SPREAD
    return torch.cat([vectors_GD, torch.from_numpy(bias_G)[:, None]], dim=1)

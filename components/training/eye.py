"""How the end-to-end family sees items: their pictures, changed while it learns, through its trunk.

Dimension letters as in `components.training.gallery` and `components.training.trunk`.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch
from torch import Generator, Tensor

from components.family_params import Finetuned
from components.features.bulk import chunk, encode_in_bulk
from components.features.encoders import open_encoder
from components.features.preprocessing import Pixels
from components.models.catalogue import Bools, Catalogue, Floats, Ints
from components.models.pooling import pool_images
from components.progress import track
from components.training.augmentation import Draw, augment, draw_changes
from components.training.feed import Waiting, feed
from components.training.gallery import NO_IMAGE, Gallery, Views, plan_epoch
from components.training.inputs import ImageVectors, pool_catalogue
from components.training.learnt import Sight
from components.training.pictures import Pictures
from components.training.tensors import gather
from components.training.trunk import Trunk

# How much larger than what the encoder reads a kept picture is. Measured on drawn prints 1,000
# pixels wide, its embedding lies 6 % of its length off (12 % at 8/7), other prints 60 to 100 %.
_ROOM_TO_CROP = 2

T = TypeVar("T")
log = logging.getLogger(__name__)


class Eye:
    """A catalogue's pictures and the encoder that learns to see them."""

    def __init__(
        self, catalogue: Catalogue, pictures: Pictures, options: Finetuned, device: str
    ) -> None:
        encoder = open_encoder(pictures.encoder, device)
        wide = device == "cuda" or options.cpu_precision == "bfloat16"
        self.trunk = Trunk(encoder, options.trained_stages, bfloat16=wide)
        self.width = encoder.width
        self._catalogue, self._pictures, self._options = catalogue, pictures, options
        self._preprocessing, self._device = encoder.preprocessing, device
        self._gallery = Gallery.of(catalogue.items)
        self._room = encoder.preprocessing.side * _ROOM_TO_CROP

    def show(self, items: Ints, generator: Generator) -> Iterator[tuple[Views, Tensor]]:
        """Yield an epoch's batches of items, with the bytes (P, S, S, 3) of their changed pictures.

        All that is random is drawn before the first batch. Tells the log how long one waited.
        """
        options, waiting = self._options, Waiting()
        plan = list(
            plan_epoch(self._gallery, items, options.images, options.images_per_item, generator)
        )
        draws = iter(draw_changes(sum(len(views.images_P) for views in plan), generator))
        jobs = [[(int(image), next(draws)) for image in views.images_P] for views in plan]
        yield from zip(plan, self._feed(jobs, self._change, waiting), strict=True)
        log.info(
            "pictures learnt from count=%d seconds=%.1f waited=%.3f",
            waiting.pictures,
            waiting.total,
            waiting.share,
        )

    def look(self, pixels_PSS3: Tensor, places_JV: Tensor, query_E: Tensor | None) -> Tensor:
        """Return the embeddings (J, E) of items from their pictures; zeros for none.

        As `components.models.pooling` pools, but with gradients.
        """
        if not len(pixels_PSS3):
            return torch.zeros(len(places_JV), self.width, device=places_JV.device)
        seen_PE = self.trunk.encode(pixels_PSS3)
        shown_JV = places_JV != NO_IMAGE
        seen_JVE = gather(seen_PE, places_JV.clamp(min=0).flatten()).unflatten(0, places_JV.shape)
        if query_E is None:
            scores_JV = torch.zeros_like(places_JV, dtype=seen_PE.dtype)
        else:
            scores_JV = seen_JVE @ query_E / self.width**0.5
        # A row without any image is left to the mask at the end: its softmax is of equals.
        scores_JV = scores_JV.masked_fill(~shown_JV, torch.finfo(seen_PE.dtype).min)
        weights_JV = scores_JV.softmax(1) * shown_JV
        return (weights_JV[:, :, None] * seen_JVE).sum(1)

    def see(self, items: Ints, query_E: Floats | None) -> Floats:
        """Return the embeddings (J, E) of items as the encoder sees them now, pictures unchanged.

        A large picture is seen through its smaller copy; `see_all` goes back to the originals.
        """
        shown = [self._gallery.images_of(int(item)) for item in items]
        views = Views.of(items.tolist(), shown)
        jobs = list(chunk(views.images_P.tolist(), self._options.images))
        vectors_PE = np.zeros((len(views.images_P), self.width), np.float32)
        with torch.no_grad():
            done = 0
            for pixels_PSS3 in self._feed(jobs, self._prepare, Waiting()):
                encoded = self.trunk.encode(pixels_PSS3).cpu().numpy()
                vectors_PE[done : done + len(encoded)] = encoded
                done += len(encoded)
        embeddings_JE = np.zeros((len(items), self.width), np.float32)
        for row, places_V in enumerate(views.places_JV):
            places = places_V[places_V != NO_IMAGE]
            if len(places):
                embeddings_JE[row] = pool_images(vectors_PE[places], query_E)
        return embeddings_JE

    def has_image(self, items: Ints) -> Bools:
        """Return which items have an image."""
        has_image_I = self._catalogue.has_image_I
        return has_image_I[items]

    def see_all(self, query_E: Floats | None) -> tuple[Catalogue, Sight]:
        """Return the catalogue in new embeddings, and the finished encoder with every image's."""
        encoder = self.trunk.finish()
        pictures, preprocessing = self._pictures, self._preprocessing
        vectors = encode_in_bulk(
            encoder,
            lambda sha256: preprocessing.prepare(pictures.read(sha256)),
            pictures.files,
            batch_size=self._options.images,
            workers=pictures.workers,
        )
        vectors_NE = np.zeros((len(pictures.files), self.width), np.float32)
        for row, vector_E in enumerate(track(vectors, "encoding again", total=len(vectors_NE))):
            vectors_NE[row] = vector_E
        sight = Sight(encoder, ImageVectors(tuple(pictures.files), vectors_NE))
        return pool_catalogue(self._catalogue.items, sight.vectors, query_E), sight

    def _feed(
        self, jobs: list[list[T]], prepare: Callable[[T], Pixels], waiting: Waiting
    ) -> Iterator[Tensor]:
        return feed(
            jobs,
            prepare,
            self._preprocessing.side,
            self._pictures.workers,
            waiting,
            pinned=self._device == "cuda",
        )

    def _change(self, job: tuple[int, Draw]) -> Pixels:
        image, draw = job
        small = self._pictures.read_small(self._gallery.sha256s[image], self._room)
        return augment(small, draw, self._options.augmentation, self._preprocessing)

    def _prepare(self, image: int) -> Pixels:
        small = self._pictures.read_small(self._gallery.sha256s[image], self._room)
        return self._preprocessing.prepare(small)

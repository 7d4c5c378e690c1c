"""The release that answers: read from the Bento, verified, tried on golden questions."""

import json
import logging
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.errors import BeholderError, CorruptFileError
from components.files import read_json
from components.images import decode_image
from components.models.bundle import load_bundle, read_digest
from components.models.catalogue import Floats
from components.models.golden import Golden, largest_difference, read_golden, read_golden_image
from components.models.overlay import read_overlay
from components.models.predictor import Predictor
from components.packaging.pointer import Place, name_release
from components.packaging.release import (
    BUNDLE,
    INDEX,
    LINEAGE,
    RELEASE,
    SOURCES,
    ReleaseManifest,
    verify_release,
)
from components.retrieval.opening import open_searchers

if TYPE_CHECKING:
    from components.features.encoders import Encoder
    from components.features.preprocessing import Pixels

# More would cost seconds to decode; what a camera makes is below.
MAX_MEGAPIXELS = 25.0
_SHORT = 12

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Release:
    """One immutable snapshot: encoder, vectors, index and catalogue always of the same version.

    It has answered `questions` golden questions, off by `max_difference` rating points at most.
    `overlay` is the digest of what a refresh changed about the catalogue, None if none did.
    """

    manifest: ReleaseManifest
    lineage: dict[str, str]
    predictor: Predictor
    encoder: "Encoder"
    encoder_name: str
    titles: tuple[str, ...]
    categories: tuple[str, ...]
    questions: int = 0
    max_difference: float = math.nan
    overlay: str | None = None

    @property
    def name(self) -> str:
        """What tells it from every other release, to whoever deploys."""
        return name_release(self.manifest.content, self.overlay)

    @property
    def catalogue_id(self) -> str | None:
        """The short name of the refreshed catalogue, None where it is as it was learnt."""
        return None if self.overlay is None else self.overlay[:_SHORT]

    def see(self, content: bytes) -> "Pixels":
        """Return an uploaded picture as the encoder takes it; raise ImageError if it is none."""
        image = decode_image(content, max_megapixels=MAX_MEGAPIXELS)
        return self.encoder.preprocessing.prepare(image)

    def embed(self, content: bytes) -> Floats:
        """Return the embedding (E,) of an uploaded picture; raise ImageError if it is none."""
        embedding_E: Floats = self.encoder.encode_pixels(np.stack([self.see(content)]))[0]
        return embedding_E


def find_release(configured: Path | None) -> Path:
    """Return the Bento that this code lies in, or else the one that the environment names."""
    own = Path(__file__).resolve().parents[2]
    if (own / RELEASE).is_file():
        return own
    if configured is None:
        raise BeholderError("this code lies in no Bento; set BEHOLDER_RELEASE to the one to serve")
    return configured.resolve()


def open_release(bento: Path, device: str, place: Place | None = None) -> Release:
    """Verify every file of a Bento that takes part in an answer, and read them.

    So with the overlay of its catalogue that `place` names, if it does. Raises CorruptFileError
    naming the first file that is not as it was written.
    """
    from components.features.encoders import open_encoder

    started = time.monotonic()
    # The bundle's own manifest covers its files, and the release names the hash of that.
    manifest = verify_release(bento, below=SOURCES, leave_out=[BUNDLE])
    folder = bento / BUNDLE
    bundle = load_bundle(folder)
    if read_digest(folder) != manifest.digest:
        raise CorruptFileError(f"release {bento}: {BUNDLE} is another bundle; package it again")
    overlay = None
    if place is not None and place.catalogue is not None:
        overlay = read_overlay(Path(place.catalogue), manifest.digest, place.overlay)
    searchers = open_searchers(bento / INDEX, manifest.retrieval, len(bundle.catalogue))
    predictor = Predictor(bundle, overlay, **searchers)
    items = predictor.bundle.catalogue.items
    release = Release(
        manifest=manifest,
        lineage=read_json(bento / LINEAGE),
        predictor=predictor,
        encoder=open_encoder(folder / "encoder", device),
        encoder_name=str(json.loads((folder / "encoder/encoder.json").read_bytes())["name"]),
        titles=tuple(items["title"].astype(str)),
        categories=tuple(items["category"].astype(str)),
        overlay=None if overlay is None or place is None else place.overlay,
    )
    release = check_golden(release, folder / "golden")
    seconds = time.monotonic() - started
    log.info(
        "release ready version=%s tastes=%r looks=%r categories=%d seconds=%.1f",
        manifest.version,
        manifest.retrieval.tastes.describe(),
        manifest.retrieval.looks.describe(),
        # Read here, so that no request waits for it.
        len(release.predictor.categories.names),
        seconds,
    )
    return release


def check_golden(release: Release, folder: Path) -> Release:
    """Ask a release its golden questions, and return it with how it did.

    Raises CorruptFileError if it does not answer as the trainer.
    """
    golden = read_golden(folder)
    answers = {
        "ratings of pairs": _ask_pairs(release, golden),
        "pictures": _ask_images(release, golden, folder),
    }
    for what, pairs in answers.items():
        difference = largest_difference(pairs)
        if not difference <= release.manifest.tolerance:
            raise CorruptFileError(
                f"golden questions: {what} lie {difference:.6g} off the trainer's, "
                f"more than {release.manifest.tolerance:g}; package it again, or see what differs "
                "between this machine and the trainer's"
            )
    asked = [pair for pairs in answers.values() for pair in pairs]
    return replace(release, questions=len(asked), max_difference=largest_difference(asked))


def _ask_pairs(release: Release, golden: Golden) -> list[tuple[float, float]]:
    answers = release.predictor.predict(
        [pair.user_id for pair in golden.pairs], [pair.item_id for pair in golden.pairs]
    )
    expected = [pair.rating for pair in golden.pairs]
    return list(zip(answers.tolist(), expected, strict=True))


def _ask_images(release: Release, golden: Golden, folder: Path) -> list[tuple[float, float]]:
    """Return ratings beside those expected; an embedding may differ by that share of its length."""
    predictor = release.predictor
    answers: list[tuple[float, float]] = []
    for image in golden.images:
        embedding_E = release.embed(read_golden_image(folder, image))
        expected_E = np.asarray(image.embedding, np.float32)
        length = max(float(np.linalg.norm(expected_E)), 1e-12)
        answers.append((float(np.linalg.norm(embedding_E - expected_E)) / length, 0.0))
        item = predictor.fold_image(embedding_E)
        for user_id, expected in image.ratings:
            answered = float(predictor.rate(predictor.fold_user(user_id), item)[0])
            answers.append((answered, expected))
    return answers

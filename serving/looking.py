"""How uploads are looked at: beside the event loop, as many at once as wait when the last are done.

While one batch is encoded the next one gathers, so that a picture that comes alone is encoded at
once, and many that come together share what a run of the network costs. Nobody waits for company.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from components.features.preprocessing import Pixels
    from components.models.catalogue import Floats
    from serving.release import Release

# On a processor a batch gains a quarter (docs/benchmarks.md) and the first waits for the last.
_LARGEST_CPU, _LARGEST_GPU = 4, 32


@dataclass(frozen=True)
class _Wish:
    release: "Release"
    pixels: "Pixels"
    answer: "asyncio.Future[Floats]"


class Looking:
    """Decodes and encodes uploads in threads of its own."""

    def __init__(self, count: Callable[[int], None] = lambda pictures: None) -> None:
        """Tell `count` how many pictures each batch has."""
        self._count = count
        self._decoding = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decoding")
        self._encoding = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoding")
        self._wishes: deque[_Wish] = deque()
        self._lock = threading.Lock()
        self._is_busy = False

    async def embed(self, release: "Release", contents: Sequence[bytes]) -> "Floats":
        """Return the embeddings (B, E) of uploads; raise ImageError naming what is none."""
        loop = asyncio.get_running_loop()
        # What waits is as small as the encoder takes it: of large pictures only one is in memory.
        seen = [
            await loop.run_in_executor(self._decoding, release.see, content) for content in contents
        ]
        answers = [self._wish(release, pixels, loop) for pixels in seen]
        return np.stack(await asyncio.gather(*answers))

    def close(self) -> None:
        """End the threads; what waits is not looked at."""
        self._decoding.shutdown(cancel_futures=True)
        self._encoding.shutdown(cancel_futures=True)

    def _wish(
        self, release: "Release", pixels: "Pixels", loop: asyncio.AbstractEventLoop
    ) -> "asyncio.Future[Floats]":
        answer: asyncio.Future[Floats] = loop.create_future()
        with self._lock:
            self._wishes.append(_Wish(release, pixels, answer))
            if self._is_busy:
                return answer
            self._is_busy = True
        self._encoding.submit(self._work, loop)
        return answer

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while batch := self._take():
            self._count(len(batch))
            try:
                pixels_BSS3 = np.stack([wish.pixels for wish in batch])
                embeddings = batch[0].release.encoder.encode_pixels(pixels_BSS3)
            except BaseException as error:
                loop.call_soon_threadsafe(_fail, batch, error)
            else:
                loop.call_soon_threadsafe(_settle, batch, embeddings)

    def _take(self) -> list[_Wish]:
        """Return the next batch, all of one release; none ends this round of work."""
        with self._lock:
            batch: list[_Wish] = []
            while self._wishes:
                wish = self._wishes[0]
                if batch and not _fits(batch, wish):
                    break
                self._wishes.popleft()
                if not wish.answer.cancelled():
                    batch.append(wish)
            self._is_busy = bool(batch)
            return batch


def _fits(batch: Sequence[_Wish], wish: _Wish) -> bool:
    release = batch[0].release
    largest = _LARGEST_CPU if release.encoder.device == "cpu" else _LARGEST_GPU
    return wish.release is release and len(batch) < largest


def _settle(batch: Sequence[_Wish], embeddings_BE: "Floats") -> None:
    for wish, embedding_E in zip(batch, embeddings_BE, strict=True):
        if not wish.answer.done():
            wish.answer.set_result(embedding_E)


def _fail(batch: Sequence[_Wish], error: BaseException) -> None:
    for wish in batch:
        if not wish.answer.done():
            wish.answer.set_exception(error)

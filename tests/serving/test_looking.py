import asyncio
import threading
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.errors import ImageError
from serving.looking import Looking


class Eyes:
    """An encoder that tells a picture's colour, and in what batches it was asked."""

    device = "cpu"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.may_go = threading.Event()
        self.has_begun = threading.Event()
        self.may_go.set()

    def encode_pixels(self, pixels: Any) -> Any:
        self.batches.append(len(pixels))
        self.has_begun.set()
        assert self.may_go.wait(10)
        return pixels[:, 0, 0, :1].astype(np.float32)


class Snapshot:
    def __init__(self) -> None:
        self.encoder = Eyes()

    def see(self, content: bytes) -> Any:
        if content == b"broken":
            raise ImageError("cannot be read")
        return np.asarray(Image.open(BytesIO(content)).convert("RGB"))


def grey(level: int) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (2, 2), (level, level, level)).save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures_that_come_while_one_is_looked_at_are_looked_at_together():
    told: list[int] = []
    looking, release = Looking(told.append), Snapshot()
    release.encoder.may_go.clear()

    async def main() -> list[Any]:
        first = asyncio.create_task(looking.embed(release, [grey(1)]))  # type: ignore[arg-type]
        await asyncio.to_thread(release.encoder.has_begun.wait, 10)
        rest = [
            asyncio.create_task(looking.embed(release, [grey(level)]))  # type: ignore[arg-type]
            for level in range(2, 8)
        ]
        while len(looking._wishes) < len(rest):
            await asyncio.sleep(0)
        release.encoder.may_go.set()
        return list(await asyncio.gather(first, *rest))

    answers = asyncio.run(asyncio.wait_for(main(), 20))
    assert [int(answer[0, 0]) for answer in answers] == list(range(1, 8))
    assert release.encoder.batches == told == [1, 4, 2]
    looking.close()


def test_pictures_of_one_request_come_back_in_their_order():
    looking, release = Looking(), Snapshot()
    pictures = [grey(level) for level in (9, 3, 7)]
    answer = asyncio.run(looking.embed(release, pictures))  # type: ignore[arg-type]
    assert answer[:, 0].tolist() == [9, 3, 7]
    looking.close()


def test_batch_is_of_one_release_only():
    looking, old, new = Looking(), Snapshot(), Snapshot()
    old.encoder.may_go.clear()

    async def main() -> None:
        asked = [asyncio.create_task(looking.embed(old, [grey(1)]))]  # type: ignore[arg-type]
        await asyncio.to_thread(old.encoder.has_begun.wait, 10)
        asked += [
            asyncio.create_task(looking.embed(release, [grey(1)]))  # type: ignore[arg-type]
            for release in (old, new, new)
        ]
        while len(looking._wishes) < 3:
            await asyncio.sleep(0)
        old.encoder.may_go.set()
        await asyncio.gather(*asked)

    asyncio.run(asyncio.wait_for(main(), 20))
    assert (old.encoder.batches, new.encoder.batches) == ([1, 1], [2])
    looking.close()


def test_broken_picture_and_failing_network_are_told_and_the_next_one_is_looked_at():
    looking, release = Looking(), Snapshot()

    async def main() -> Any:
        with pytest.raises(ImageError, match="cannot be read"):
            await looking.embed(release, [b"broken"])  # type: ignore[arg-type]
        eyes = release.encoder
        encode, eyes.encode_pixels = eyes.encode_pixels, _fail  # type: ignore[method-assign]
        with pytest.raises(MemoryError):
            await looking.embed(release, [grey(1)])  # type: ignore[arg-type]
        eyes.encode_pixels = encode  # type: ignore[method-assign]
        return await looking.embed(release, [grey(5)])  # type: ignore[arg-type]

    assert asyncio.run(asyncio.wait_for(main(), 20))[0, 0] == 5
    looking.close()


def _fail(pixels: Any) -> Any:
    raise MemoryError

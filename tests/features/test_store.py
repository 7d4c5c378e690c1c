import hashlib
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.features.store import EmbeddingStore

WIDTH = 6


def names(*numbers: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]


def vectors(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.float32)[:, None] * np.ones((1, WIDTH), np.float32)


def test_empty_store_finds_nothing(tmp_path: Path) -> None:
    found_vectors, found = EmbeddingStore(tmp_path / "new", WIDTH).read(names(1, 2))
    assert found_vectors.shape == (2, WIDTH)
    assert not found.any()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 999), min_size=1, max_size=5), max_size=4))
def test_what_was_appended_is_read_back_in_the_order_asked_for(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    for shard in shards:
        EmbeddingStore(folder, WIDTH).append(names(*shard), vectors(*shard))
    known = {number for shard in shards for number in shard}
    asked = [*sorted(known, reverse=True), 5000]
    read, found = EmbeddingStore(folder, WIDTH).read(names(*asked))
    assert found.tolist() == [True] * len(known) + [False]
    assert read[:, 0].tolist() == [*sorted(known, reverse=True), 0]


def test_damaged_shard_is_dropped_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = EmbeddingStore(tmp_path, WIDTH)
    store.append(names(1), vectors(1))
    store.append(names(2), vectors(2))
    shard = sorted(tmp_path.iterdir())[0]
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        _, found = store.read(names(1, 2))
    assert found.tolist() == [False, True]
    assert not shard.exists()
    assert "damaged" in caplog.text


def test_leftover_of_a_killed_writer_is_never_read_and_is_cleared(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, WIDTH)
    store.append(names(1), vectors(1))
    shard = next(tmp_path.iterdir())
    leftover = tmp_path / f".{shard.name}.4711.tmp"
    leftover.write_bytes(shard.read_bytes()[:50])
    again = EmbeddingStore(tmp_path, WIDTH)
    _, found = again.read(names(1))
    assert found.all()
    again.append(names(2), vectors(2))
    assert not leftover.exists()


def test_vectors_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="vectors for 2"):
        EmbeddingStore(tmp_path, WIDTH).append(names(1, 2), vectors(1))


def test_writer_killed_at_any_moment_leaves_a_readable_store(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from components.features.store import EmbeddingStore\n"
        "store = EmbeddingStore(Path(sys.argv[1]), 2000)\n"
        "for n in range(10**6):\n"
        "    store.append([f'{n:064x}'], np.full((1, 2000), n, np.float32))\n"
        "    print(n, flush=True)\n"
    )
    written = -1
    for kill_after in (1, 4, 9):
        folder = tmp_path / str(kill_after)
        writer = subprocess.Popen(
            [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for line in writer.stdout:
            written = int(line)
            if written >= kill_after:
                break
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        asked = [f"{n:064x}" for n in range(written + 1)]
        read, found = EmbeddingStore(folder, 2000).read(asked)
        assert found.all()
        assert (read == np.arange(written + 1)[:, None]).all()

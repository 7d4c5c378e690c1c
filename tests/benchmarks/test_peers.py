"""The peers: what they are asked, how a tuned one is chosen, and how failures are said."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.comparison.answers import STATIC, AnswerStore
from benchmarks.comparison.dataset import Dataset
from benchmarks.comparison.draws import Draw, draw
from benchmarks.comparison.peer_environment import PeerEnvironment, PeerError
from benchmarks.comparison.peer_fits import PeerFits
from benchmarks.comparison.peers import PEERS, SVDPP, Peer
from components.files import read_json, write_json
from components.models.catalogue import Catalogue
from components.paths import Workspace

SCALE = (0.5, 5.0)
ITEMS = ["fifth", "first", "fourth", "second", "third, with a comma"]


@pytest.fixture
def dataset() -> Dataset:
    items = pd.DataFrame({"item_id": ITEMS})
    rows = [(f"user {user}", item) for user in range(30) for item in ITEMS[: 2 + user % 4]]
    ratings = pd.DataFrame(rows, columns=["user_id", "item_id"])
    ratings["rating"] = 1.0 + ratings.index.to_numpy() % 5
    ratings["timestamp"] = 1000 + ratings.index.to_numpy()
    looks = np.eye(len(items), dtype=np.float32)
    catalogue = Catalogue(items, looks, np.ones(len(items), bool))
    return Dataset(ratings, catalogue, Workspace(Path("nowhere")), "digest")


class Answering(PeerEnvironment):
    """In place of the peers' Python: rates every row by the option `rates`, and keeps the jobs."""

    def __init__(self, folder: Path, spoil: Callable[[Path], None] | None = None) -> None:
        super().__init__(folder)
        self.jobs: list[dict[str, object]] = []
        self._spoil = spoil

    def run(self, job: Path, what: str) -> None:
        described = read_json(job / "job.json")
        asked = pd.read_csv(job / "ask.csv")
        learnt = pd.read_csv(job / "learn.csv")
        files = {path.name for path in job.iterdir()}
        self.jobs.append({**described, "asked": asked, "learnt": learnt, "files": files})
        rating = described["options"].get("rates", 3.0)
        np.save(job / "predicted.npy", np.full(len(asked), rating))
        write_json(job / "report.json", {"train": [2.0, 1.0], "predict": [0.5, 0.25]})
        if self._spoil is not None:
            self._spoil(job)


def make_fits(dataset: Dataset, folder: Path, environment: PeerEnvironment) -> PeerFits:
    return PeerFits(dataset, SCALE, environment, AnswerStore(folder / "answers"))


@pytest.fixture
def drawn(dataset: Dataset) -> Draw:
    return draw(dataset.ratings, "random", 0)


def test_names_and_labels_are_distinct_and_every_grid_has_distinct_cells() -> None:
    assert len({peer.name for peer in PEERS}) == len({peer.label for peer in PEERS}) == len(PEERS)
    for peer in PEERS:
        assert len({str(cell) for cell in peer.grid}) == len(peer.grid)
    assert SVDPP in {peer.label for peer in PEERS}


def test_the_peers_that_were_promised_are_there_at_their_defaults() -> None:
    plain = {(peer.library, peer.algorithm) for peer in PEERS if not peer.grid}
    assert plain == {
        *(("surprise", name) for name in ("BaselineOnly", "SVD", "SVDpp", "KNNBaseline")),
        *(("cornac", name) for name in ("MF", "PMF", "VMF")),
    }


def test_ids_go_out_as_codes_that_are_the_same_on_both_sides(
    dataset: Dataset, drawn: Draw, tmp_path: Path
) -> None:
    environment = Answering(tmp_path)
    make_fits(dataset, tmp_path, environment).answer(PEERS[0], drawn)
    [job] = environment.jobs
    items = [f"i{ITEMS.index(item)}" for item in drawn.test["item_id"]]
    assert job["asked"]["item_id"].tolist() == items
    assert len(job["learnt"]) == len(drawn.train)
    assert set(job["asked"].columns) == {"user_id", "item_id"}
    users = pd.concat([drawn.train["user_id"], drawn.test["user_id"]])
    codes = pd.concat([job["learnt"]["user_id"], job["asked"]["user_id"]])
    pairs = set(zip(users, codes, strict=True))
    assert len(pairs) == users.nunique() == codes.nunique()


def test_only_a_peer_that_sees_images_gets_embeddings(
    dataset: Dataset, drawn: Draw, tmp_path: Path
) -> None:
    environment = Answering(tmp_path)
    fits = make_fits(dataset, tmp_path, environment)
    [visual, *_] = [peer for peer in PEERS if peer.sees_images]
    for peer in (PEERS[0], visual):
        fits.answer(peer, drawn)
    assert ["looks.npy" in job["files"] for job in environment.jobs] == [False, True]


def test_a_tuned_peer_is_chosen_on_valid_rows_and_then_learns_all_train_rows(
    dataset: Dataset, drawn: Draw, tmp_path: Path
) -> None:
    best = float(drawn.valid["rating"].mean())
    cells = tuple({"rates": rate} for rate in (0.5, best, 5.0))
    environment = Answering(tmp_path)
    peer = Peer("tuned", "Tuned", "surprise", "SVD", grid=cells)
    answer, stood = make_fits(dataset, tmp_path, environment).answer(peer, drawn)
    asked = [len(job["asked"]) for job in environment.jobs]
    learnt = [len(job["learnt"]) for job in environment.jobs]
    assert asked == [len(drawn.valid)] * 3 + [len(drawn.test)]
    assert learnt == [len(drawn.learnt)] * 3 + [len(drawn.train)]
    assert not stood
    assert answer.predicted[STATIC] == pytest.approx(best)
    assert answer.facts["options"] == {"rates": best}
    assert answer.facts["cells"] == 3
    assert answer.facts["search_processor_seconds"] == pytest.approx(3 * 1.25)
    assert (answer.train.processor, answer.predict.wall) == (1.0, 0.5)


def test_a_second_run_asks_nobody(dataset: Dataset, drawn: Draw, tmp_path: Path) -> None:
    peer = Peer("tuned", "Tuned", "surprise", "SVD", grid=({"rates": 2.0}, {"rates": 3.0}))
    first = make_fits(dataset, tmp_path, Answering(tmp_path)).answer(peer, drawn)[0]
    environment = Answering(tmp_path)
    second, stood = make_fits(dataset, tmp_path, environment).answer(peer, drawn)
    assert stood
    assert environment.jobs == []
    assert second.facts == first.facts


def save_nan(job: Path) -> None:
    predicted_N = np.load(job / "predicted.npy")
    predicted_N[0] = np.nan
    np.save(job / "predicted.npy", predicted_N)


def save_fewer(job: Path) -> None:
    np.save(job / "predicted.npy", np.load(job / "predicted.npy")[1:])


@pytest.mark.parametrize("spoil", [save_nan, save_fewer])
def test_a_peer_that_does_not_rate_every_row_is_an_error(
    dataset: Dataset, drawn: Draw, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    fits = make_fits(dataset, tmp_path, Answering(tmp_path, spoil))
    with pytest.raises(PeerError, match="Surprise BaselineOnly answered"):
        fits.answer(PEERS[0], drawn)


def test_a_peer_that_cannot_be_installed_is_an_error_with_what_uv_said(tmp_path: Path) -> None:
    lock = tmp_path / "peers.lock"
    lock.write_text(f"surprise @ file://{tmp_path}/surprise-1.0-py3-none-any.whl\n")
    with pytest.raises(PeerError, match=r"cannot be installed[\s\S]*surprise[\s\S]*--peers none"):
        PeerEnvironment(tmp_path, lock).install()


def test_an_environment_is_made_once_and_anew_where_a_kill_left_half_of_it(tmp_path: Path) -> None:
    lock = tmp_path / "peers.lock"
    lock.write_text("# nobody\n")
    environment = PeerEnvironment(tmp_path, lock)
    environment.install()
    [made] = (tmp_path / "peers").glob("*/installed.json")
    before = made.stat().st_mtime_ns
    environment.install()
    assert made.stat().st_mtime_ns == before
    made.unlink()
    (made.parent / "leftover").touch()
    environment.install()
    assert made.is_file()
    assert not (made.parent / "leftover").exists()


def test_a_worker_that_fails_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    lock = tmp_path / "peers.lock"
    lock.write_text("# nobody\n")
    environment = PeerEnvironment(tmp_path, lock)
    environment.install()
    with pytest.raises(PeerError, match=r"Surprise SVD failed[\s\S]*No module named 'numpy'"):
        environment.run(tmp_path, "Surprise SVD")


def test_another_python_or_another_lock_is_another_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "other.lock"
    lock.write_text("# other\n")
    digests = {PeerEnvironment(tmp_path).digest, PeerEnvironment(tmp_path, lock).digest}
    monkeypatch.setattr(sys, "version_info", (3, 12, 99))
    digests.add(PeerEnvironment(tmp_path).digest)
    assert len(digests) == 3

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contest.entry import Cost, Entry, load_entry, measure_entry, save_entry
from components.evaluation.accuracy import rmse
from components.evaluation.lists import ListQuality
from components.files import read_parquet, write_json
from components.params import load_params
from components.paths import Workspace
from components.settings import Settings
from components.training.trials import learn, read_material
from components.tuning.spaces import put_values

ENTRY = Entry(
    *("hybrid", 3, 17, 0.91, ListQuality(0.1, 0.2, 0.3, 0.4, 5.0, float("nan"))),
    Cost(1.5, 12_345, 0.7, 2.0),
    np.float32([3.5, 4.25, 1.0]),
)


def test_entry_comes_back_as_it_was_saved(tmp_path: Path):
    save_entry(ENTRY, tmp_path / "entry")
    found = load_entry(tmp_path / "entry")
    assert found is not None
    assert found.rated_N.tolist() == ENTRY.rated_N.tolist()
    assert math.isnan(found.lists.diversity)
    same = replace(found, rated_N=ENTRY.rated_N, lists=ENTRY.lists)
    assert same == ENTRY


def test_nothing_is_no_entry(tmp_path: Path):
    assert load_entry(tmp_path / "entry") is None


@pytest.mark.parametrize("name", ["rated.bin", "entry.json"])
def test_damaged_entry_is_none(tmp_path: Path, name: str):
    save_entry(ENTRY, tmp_path / "entry")
    content = bytearray((tmp_path / "entry" / name).read_bytes())
    content[0] ^= 1
    (tmp_path / "entry" / name).write_bytes(content)
    assert load_entry(tmp_path / "entry") is None


def test_entry_without_a_fact_is_none(tmp_path: Path):
    save_entry(ENTRY, tmp_path / "entry")
    write_json(tmp_path / "entry/entry.json", {"family": "hybrid"})
    assert load_entry(tmp_path / "entry") is None


def test_measured_entry_rates_the_test_rows_and_knows_its_cost(make_trainable, tmp_path: Path):
    make_trainable(tmp_path / "here")
    workspace = Workspace(tmp_path / "here")
    params = put_values(load_params(workspace.params), "biases", {})
    material = read_material(workspace, Settings(device="cpu", threads=1))
    bundle = learn(material, params, material.ratings, 0)
    test = read_parquet(workspace.split / "test.parquet")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    entry = measure_entry(
        bundle, test, params.evaluate, seed=5, seconds=2.5, valid_rmse=0.8, scratch=scratch
    )
    assert (entry.family, entry.seed, entry.epochs) == ("biases", 5, 0)
    assert rmse(test["rating"].to_numpy(np.float32), entry.rated_N) < 1
    assert entry.cost.seconds == 2.5
    assert entry.cost.bytes > bundle.catalogue.embeddings_IE.nbytes + bundle.users.times_N.nbytes
    assert 0 < entry.cost.list_ms <= entry.cost.list_ms_p99
    assert list(scratch.iterdir()) == []

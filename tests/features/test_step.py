import hashlib
import io
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import load_file

from components.errors import CorruptFileError
from components.features import image_files, step
from components.features.encoders import Encoder, open_encoder
from components.files import hash_tree, read_json, read_parquet, write_parquet
from components.params import Params, load_params
from components.paths import Workspace
from components.settings import Settings

FOLDER = "data/raw/batches/0123456789abcdef/images"
SETTINGS = Settings(device="cpu")


@pytest.fixture
def params() -> Params:
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    return params.model_copy(update={"embed": params.embed.model_copy(update={"batch_size": 4})})


def accept(workspace: Workspace, pictures: list[Image.Image]) -> pd.DataFrame:
    rows = []
    for picture in pictures:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
        path = workspace.root / FOLDER / f"{sha256}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
        size = {"width": picture.width, "height": picture.height}
        rows.append({"sha256": sha256, "path": f"{FOLDER}/{sha256}.png", **size})
    columns = ["sha256", "path", "width", "height"]
    images = pd.DataFrame(rows, columns=columns).sort_values("sha256")
    write_parquet(workspace.accepted / "images.parquet", images)
    return images


def test_every_accepted_image_gets_its_row(
    tmp_path: Path, params: Params, pictures: list[Image.Image], lite0: Encoder
) -> None:
    workspace = Workspace(tmp_path)
    images = accept(workspace, pictures)
    step.embed(workspace, params, SETTINGS)
    hashes = read_parquet(workspace.embeddings / "images.parquet")["sha256"].tolist()
    vectors = load_file(workspace.embeddings / "vectors.safetensors")["vectors"]
    assert hashes == images["sha256"].tolist() == sorted(hashes)
    for row, path in enumerate(images["path"]):
        expected = lite0.encode([Image.open(tmp_path / path).convert("RGB")])[0]
        assert np.abs(vectors[row] - expected).max() < 1e-5
    assert open_encoder(workspace.embeddings / "encoder", "cpu").digest == lite0.digest
    report = read_json(workspace.embedding_report)
    assert (report["images"], report["width"]) == (4, 1280)


def test_only_new_images_are_encoded_and_the_bytes_do_not_tell(
    tmp_path: Path,
    params: Params,
    pictures: list[Image.Image],
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole, grown = Workspace(tmp_path / "whole"), Workspace(tmp_path / "grown")
    accept(whole, pictures)
    step.embed(whole, params, SETTINGS)
    accept(grown, pictures[:3])
    step.embed(grown, params, SETTINGS)
    for path in (grown.root / FOLDER).iterdir():
        path.unlink()  # whatever is read again now would be missed
    accept(grown, pictures[3:])
    accepted = read_parquet(whole.accepted / "images.parquet")
    write_parquet(grown.accepted / "images.parquet", accepted)
    with caplog.at_level(logging.INFO):
        step.embed(grown, params, SETTINGS)
    assert "images=4 found=3 share=0.750" in caplog.text
    assert hash_tree(grown.embeddings) == hash_tree(whole.embeddings)


def test_second_run_encodes_nothing_and_writes_the_same_bytes(
    tmp_path: Path, params: Params, pictures: list[Image.Image]
) -> None:
    workspace = Workspace(tmp_path)
    accept(workspace, pictures)
    step.embed(workspace, params, SETTINGS)
    before = hash_tree(workspace.embeddings)
    for path in (tmp_path / FOLDER).iterdir():
        path.unlink()
    step.embed(workspace, params, SETTINGS)
    assert hash_tree(workspace.embeddings) == before


def test_killed_run_goes_on_behind_its_last_shard(
    tmp_path: Path,
    params: Params,
    pictures: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    workspace = Workspace(tmp_path)
    images = accept(workspace, pictures)
    monkeypatch.setattr(image_files, "_SHARD_ROWS", 2)
    one_by_one = params.model_copy(
        update={"embed": params.embed.model_copy(update={"batch_size": 1})}
    )
    lost = tmp_path / images["path"].iloc[3]
    content = lost.read_bytes()
    lost.unlink()
    with pytest.raises(CorruptFileError):
        step.embed(workspace, one_by_one, SETTINGS)
    lost.write_bytes(content)
    with caplog.at_level(logging.INFO):
        step.embed(workspace, one_by_one, SETTINGS)
    assert "images=4 found=2" in caplog.text


@pytest.mark.parametrize("change", ["flip", "remove"])
def test_image_that_is_not_what_was_accepted_stops_the_step(
    tmp_path: Path, params: Params, pictures: list[Image.Image], change: str
) -> None:
    workspace = Workspace(tmp_path)
    path = tmp_path / accept(workspace, pictures)["path"].iloc[1]
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.unlink() if change == "remove" else path.write_bytes(content)
    expected = rf"{path.name} (is missing|has other bytes).*beholder fetch 01234567"
    with pytest.raises(CorruptFileError, match=expected):
        step.embed(workspace, params, SETTINGS)
    assert not workspace.embeddings.exists()


def test_no_accepted_image_gives_an_empty_table(tmp_path: Path, params: Params) -> None:
    workspace = Workspace(tmp_path)
    accept(workspace, [])
    step.embed(workspace, params, SETTINGS)
    vectors = load_file(workspace.embeddings / "vectors.safetensors")["vectors"]
    assert vectors.shape == (0, 1280)
    assert read_parquet(workspace.embeddings / "images.parquet").empty

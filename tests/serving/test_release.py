import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.errors import BeholderError, CorruptFileError
from components.images import decode_image
from components.models.bundle import read_digest
from components.packaging.bento import package
from components.packaging.release import BUNDLE
from serving.answers import describe, similar
from serving.release import MAX_MEGAPIXELS, find_release, open_release
from serving.schemas.requests import SimilarRequest


@pytest.fixture
def copy(bento: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bento, tmp_path / "copy"))


def flip_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_release_opens_with_its_version_lineage_and_encoder(bento: Path, lineage: dict[str, str]):
    release = open_release(bento, "cpu")
    assert release.manifest.version == lineage["version"]
    assert release.lineage == lineage
    assert release.encoder_name == "efficientnet_lite0"
    assert release.manifest.digest == read_digest(bento / BUNDLE)


def test_upload_waits_as_small_as_the_encoder_takes_it(bento: Path):
    release = open_release(bento, "cpu")
    buffer = io.BytesIO()
    Image.effect_mandelbrot((3000, 2000), (-2, -1, 1, 1), 50).save(buffer, "PNG")
    seen = release.see(buffer.getvalue())
    assert seen.shape == (224, 224, 3)
    embedding_E = release.encoder.encode_pixels(seen[None].copy())[0]
    np.testing.assert_array_equal(embedding_E, release.embed(buffer.getvalue()))
    image = decode_image(buffer.getvalue(), max_megapixels=MAX_MEGAPIXELS)
    np.testing.assert_array_equal(embedding_E, release.encoder.encode([image])[0])


@pytest.mark.parametrize(
    "name",
    [
        "src/serving/answers.py",
        "src/bundle/weights.safetensors",
        "src/bundle/encoder/encoder.safetensors",
        "src/bundle/users.parquet",
        "src/lineage.json",
    ],
)
def test_flipped_byte_in_any_file_refuses_the_release(copy: Path, name: str):
    flip_last_byte(copy / name)
    with pytest.raises(CorruptFileError, match=rf"{Path(name).name} is changed"):
        open_release(copy, "cpu")


def test_release_of_a_large_catalogue_searches_by_its_indexes(indexed_bento: Path):
    release = open_release(indexed_bento, "cpu")
    found = similar(release, SimilarRequest(item_id="i77", k=3))
    assert len(found.items) == 3
    told = describe(release).retrieval
    assert (told.tastes.way, told.tastes.k, told.tastes.recall) == ("index", 5, 1.0)
    assert told.looks.index is not None
    assert told.looks.index.startswith("PCA8,IVF")
    assert told.looks.recall == release.manifest.retrieval.looks.recall


@pytest.mark.parametrize("name", ["tastes.faiss", "looks.safetensors"])
def test_flipped_byte_in_an_index_refuses_the_release(
    indexed_bento: Path, tmp_path: Path, name: str
):
    copy = Path(shutil.copytree(indexed_bento, tmp_path / "copy"))
    flip_last_byte(copy / "src/index" / name)
    with pytest.raises(CorruptFileError, match=rf"{name} is changed"):
        open_release(copy, "cpu")


def test_missing_file_refuses_the_release(copy: Path):
    (copy / "src/bundle/items.parquet").unlink()
    with pytest.raises(CorruptFileError, match=r"items\.parquet is missing"):
        open_release(copy, "cpu")


def test_added_file_refuses_the_release(copy: Path):
    (copy / "src/serving/surprise.py").write_text("")
    with pytest.raises(CorruptFileError, match=r"surprise\.py is unlisted"):
        open_release(copy, "cpu")


def test_bytecode_is_no_part_of_the_release(copy: Path):
    cache = copy / "src/serving/__pycache__"
    cache.mkdir()
    (cache / "door.pyc").write_bytes(b"?")
    assert open_release(copy, "cpu")


def test_another_bundle_under_the_same_name_refuses_the_release(copy: Path):
    manifest = copy / BUNDLE / "manifest.json"
    content = json.loads(manifest.read_text())
    content["facts"] = {"epochs": 7}
    manifest.write_text(json.dumps(content))
    with pytest.raises(CorruptFileError, match="another bundle"):
        open_release(copy, "cpu")


def test_wrong_golden_answers_refuse_the_release(
    make_served_bundle: Any, lineage: dict[str, str], tmp_path: Path
):
    make_served_bundle(tmp_path / "bundle", golden_offset=0.01)
    package(tmp_path / "bundle", lineage, tmp_path / "bento", tolerance=1e-4)
    with pytest.raises(CorruptFileError, match=r"ratings of pairs lie 0\.01"):
        open_release(tmp_path / "bento", "cpu")


def test_outside_of_a_bento_the_environment_names_the_release(tmp_path: Path):
    assert find_release(tmp_path) == tmp_path
    with pytest.raises(BeholderError, match="BEHOLDER_RELEASE"):
        find_release(None)

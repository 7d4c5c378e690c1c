import numpy as np
import pytest
from PIL import Image

from components.features.encoders import Encoder, load_encoder


@pytest.fixture(scope="session")
def lite0() -> Encoder:
    return load_encoder("efficientnet_lite0", "float32", "cpu")


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (7, 5, 3), dtype=np.uint8)).resize((185, 278))
        for _ in range(4)
    ]

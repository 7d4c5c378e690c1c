import pytest
import torch

from components.devices import pick_device
from components.errors import ParameterError
from components.settings import Settings


def test_cpu_asked_for_is_cpu() -> None:
    assert pick_device(Settings(device="cpu")) == "cpu"


def test_auto_takes_cuda_exactly_where_it_is() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert pick_device(Settings(device="auto")) == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_asked_for_where_there_is_none_is_an_error() -> None:
    with pytest.raises(ParameterError, match="BEHOLDER_DEVICE=cuda"):
        pick_device(Settings(device="cuda"))


def test_threads_asked_for_are_given_to_torch() -> None:
    before = torch.get_num_threads()
    try:
        pick_device(Settings(device="cpu", threads=1))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)

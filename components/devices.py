"""Where tensors live: the GPU where there is one, unless the environment says otherwise."""

from components.errors import ParameterError
from components.settings import Settings


def pick_device(settings: Settings) -> str:
    """Return "cuda" or "cpu", and give torch the number of threads that was asked for.

    Raises ParameterError where BEHOLDER_DEVICE=cuda finds no CUDA device.
    """
    import torch

    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    if settings.device == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if settings.device == "cuda":
        raise ParameterError(
            "BEHOLDER_DEVICE=cuda, but torch finds no CUDA device here; "
            "set BEHOLDER_DEVICE=auto, or see what 'nvidia-smi' says"
        )
    return "cpu"

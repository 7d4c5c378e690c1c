"""What every peer answers with: the release that ours serves, opened the same way."""

import gc
import os
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from serving.release import Release, open_release


def open_it() -> Release:
    torch.set_num_threads(1)
    threadpool_limits(1)
    release = open_release(Path(os.environ["RELEASE"]), "cpu")
    gc.collect()
    gc.freeze()
    return release

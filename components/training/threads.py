"""How many threads a fit on the CPU deserves."""

from collections.abc import Iterator
from contextlib import contextmanager

from components.family_params import Finetuned, Section
from components.settings import Settings

# Below this a step's sums take less time than waking a second thread for them, and beside other
# work on the machine the waiting threads made training five times slower.
_ROWS_WORTH_THREADS = 1_000_000


@contextmanager
def limit_threads(rows: int, settings: Settings, options: Section | None = None) -> Iterator[None]:
    """Give torch one thread for the block where the ratings are few; BEHOLDER_THREADS wins.

    With one thread the bytes of a small fit do not depend on how many cores a machine has. A
    family whose `options` fine-tune a CNN has work for every core, however few the ratings. NumPy's
    linear algebra gets as many as torch: an eigenvector's last digits depend on them too.
    """
    import torch
    from threadpoolctl import threadpool_limits

    fine_tunes = isinstance(options, Finetuned)
    before = torch.get_num_threads()
    if settings.threads is None and rows < _ROWS_WORTH_THREADS and not fine_tunes:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=torch.get_num_threads(), user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)

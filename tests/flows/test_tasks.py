from dataclasses import replace

from components.packaging.trial import Latency, TrialReport
from components.retrieval.statement import Search, Statement
from flows.tasks import describe_trial

PASSED = TrialReport(
    True, (), questions=17, max_difference=1e-6, latency=Latency(1, 2), memory_mb=900
)


def test_a_trial_in_a_line_names_the_recall_of_each_index_and_of_no_exact_search() -> None:
    line = "17 golden answers, off by 1e-06 at most; p99 2 ms, 900 MB"
    assert describe_trial(PASSED) == line
    stated = Statement(looks=Search("index", "IVF9", 4, 100, 10, 200, 0.98123))
    assert describe_trial(replace(PASSED, retrieval=stated)) == (
        f"{line}; looks by index, recall@10 0.981"
    )

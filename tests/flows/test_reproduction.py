import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.models.bundle import load_bundle, read_digest, save_bundle, seal_bundle
from flows.reproducing import describe_answer
from flows.reproduction import (
    Finding,
    Reproduction,
    compare_bundle,
    compare_code,
    compare_machine,
    compare_outputs,
    compare_packages,
    describe_bundle_difference,
    read_pins,
)

LEARNING = ("validate", "split", "embed", "train", "refit")
CPU = {"device": "cpu", "chip": "AVX512", "threads": None, "default_threads": 2}


def test_code_differs_only_where_a_learning_step_does():
    assert compare_code((), LEARNING, "the code of now").state == "same"
    assert compare_code(("evaluate",), LEARNING, "the code of now").state == "same"
    found = compare_code(("evaluate", "train"), LEARNING, "the code of now")
    assert (found.state, found.says) == ("differs", "not the same code: train (the code of now)")
    assert compare_code(None, LEARNING, "the code of now").state == "unknown"


def test_packages_that_changed_are_named_with_both_versions():
    found = compare_packages({"torch": "2.15.0", "numpy": "2"}, {"torch": "2.11.0", "numpy": "2"})
    assert (found.state, found.says) == ("differs", "torch 2.15.0 → 2.11.0")
    assert "torch 2 → none" in compare_packages({"torch": "2"}, {}).says
    assert compare_packages(None, {}).state == "unknown"


def test_pins_are_read_from_a_lock_with_markers():
    lock = "# made\ntorch==2.15.0 ; sys_platform == 'linux'\nNumPy==2.4.6\nuvloop>=1\n"
    assert read_pins(lock) == {"torch": "2.15.0", "numpy": "2.4.6"}


def test_machine_differs_by_device_and_by_threads():
    assert compare_machine(CPU, dict(CPU)).state == "same"
    assert compare_machine({**CPU, "threads": 4}, CPU).state == "differs"
    found = compare_machine({**CPU, "device": "cuda", "chip": "H100"}, CPU)
    assert "cuda H100" in found.says
    assert "here cpu AVX512" in found.says


def test_outputs_are_told_in_the_order_of_the_steps():
    recorded = {"data/accepted": "a.dir", "data/split": "b.dir"}
    found = compare_outputs(recorded, {**recorded, "data/split": "c.dir", "data/embeddings": "d"})
    assert [finding.state for finding in found] == ["same", "differs", "unknown"]
    assert [finding.state for finding in compare_outputs(None, recorded)] == ["unknown"] * 3


@pytest.fixture
def other(served_bundle: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "other"
    shutil.copytree(served_bundle, folder)
    return folder


def rewrite(folder: Path, **changed: object) -> None:
    bundle = replace(load_bundle(folder), **changed)  # type: ignore[arg-type]
    save_bundle(bundle, folder)
    seal_bundle(folder)


def test_equal_bundle_is_the_same_to_the_bit(served_bundle: Path, other: Path):
    assert compare_bundle("b", read_digest(served_bundle), None, other).state == "same"


def test_weights_that_differ_are_measured(served_bundle: Path, other: Path):
    weights = load_bundle(other).weights
    rewrite(other, weights={**weights, "mean": weights["mean"] + np.float32(0.25)})
    found = compare_bundle("b", read_digest(served_bundle), served_bundle, other)
    assert found.state == "differs"
    assert "weights differ by 0.25 at most; 1 files differ: weights.safetensors" in found.says


def test_other_code_alone_leaves_every_file_the_same(served_bundle: Path, other: Path):
    rewrite(other, inputs={**load_bundle(other).inputs, "code": "0" * 64})
    found = describe_bundle_difference(served_bundle, other)
    assert found == "every file is the same, its manifest tells of another inputs.code"


def test_lost_recorded_files_leave_the_digests(served_bundle: Path, other: Path):
    rewrite(other, facts={"epochs": 99})
    found = compare_bundle("b", read_digest(served_bundle), None, other)
    assert found.says.startswith(f"digest {read_digest(served_bundle)[:16]}, now")
    assert compare_bundle("b", None, None, other).state == "unknown"


def reproduction(*states: str, cause: str = "same", uses_gpu: bool = False) -> Reproduction:
    names = ("accepted data", "split", "embeddings", "evaluation bundle", "served bundle")
    results = (Finding(n, s, "") for n, s in zip(names, states, strict=True))  # type: ignore[arg-type]
    causes = (Finding("packages", cause, ""),)  # type: ignore[arg-type]
    return Reproduction(3, causes, tuple(results), None, uses_gpu)


def test_both_bundles_decide_whether_it_is_the_same():
    assert reproduction("unknown", "same", "same", "same", "same").is_same
    assert not reproduction("same", "same", "same", "same", "differs").is_same
    assert not reproduction("same", "same", "same", "unknown", "unknown").is_same


def test_answer_names_what_differs_first_and_why_it_may():
    found = reproduction("same", "same", "differs", "differs", "differs", cause="differs")
    said = describe_answer(found)
    assert "not reproduced to the bit" in said
    assert "first to differ: embeddings" in said
    assert "differs in packages" in said
    assert "GPU" not in said
    assert "not promised" in describe_answer(replace(found, uses_gpu=True))
    assert "is reproduced to the bit" in describe_answer(reproduction(*["same"] * 5))

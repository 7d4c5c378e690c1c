"""`beholder compare`: every family on one split, trained, measured and shown side by side."""

import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from components.errors import ParameterError, TrainingError
from components.files import hash_file, hash_json, read_parquet, write_bytes, write_json
from components.models.families import FAMILIES
from components.params import Params, Split, load_params
from components.paths import Workspace
from components.settings import load_settings
from components.tuning.spaces import put_values
from flows.comparing_display import Display, print_contest

if TYPE_CHECKING:
    import pandas as pd

    from components.contest.entry import Entry
    from components.contest.table import Contest
    from components.models.catalogue import Bools
    from components.training.trials import Material

# Trained only when named: it reads every picture again and again.
EXPENSIVE = ("finetuned",)
_KEPT_GROUNDS = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ground:
    """The rows on which families meet, and the digests of all that is read."""

    material: "Material"
    test: "pd.DataFrame"
    strategy: str

    @property
    def inputs(self) -> dict[str, str]:
        """Return the digests of what is learnt from, and of what is asked."""
        return self.material.inputs


def choose_families(named: str | None) -> tuple[str, ...]:
    """Return the families of a list like `hybrid,mf`; by default all that are cheap.

    Raises ParameterError for one that does not exist.
    """
    if named is None:
        return tuple(family for family in FAMILIES if family not in EXPENSIVE)
    chosen = tuple(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
    unknown = [name for name in chosen if name not in FAMILIES]
    if unknown or not chosen:
        raise ParameterError(
            f"--families {named!r}: {unknown[0] if unknown else 'nothing'!r} is none of "
            f"{', '.join(FAMILIES)}"
        )
    return chosen


def compare_and_show(
    workspace: Workspace, *, families: str | None, seeds: int, strategy: str | None
) -> None:
    """Train and measure, print the tables, and write reports/compare."""
    from flows.preparing import bring_up, hold_workspace, require_data

    chosen, params = choose_families(families), load_params(workspace.params)
    if strategy is not None:
        params = with_strategy(params, strategy)
    require_data(workspace)
    with hold_workspace(workspace):
        bring_up(workspace)
        contest = compare(workspace, params, chosen, seeds, Display.on_terminal())
    print_contest(contest, workspace.comparison_report / "report.html")


def compare(
    workspace: Workspace, params: Params, families: Sequence[str], seeds: int, display: Display
) -> "Contest":
    """Return the ranked families, and write their page, table and numbers.

    What was trained before on the same inputs, parameters and code is not trained again. Whoever
    calls it holds the workspace's lock.
    """
    from components.contest.page import render_page
    from components.contest.table import Contest, rank_by_slice, rank_entries, to_frame, to_json
    from components.evaluation.measurement import Truth
    from flows.comparing_record import log_contest

    ground = read_ground(workspace, params)
    display.begin(families, ground.strategy, len(ground.material.ratings), len(ground.test))
    entries = list(_enter(ground, params, families, seeds, display))
    truth = Truth.of(ground.test)
    contest = Contest(
        strategy=ground.strategy,
        rows=len(ground.test),
        users=int(ground.test["user_id"].nunique()),
        k=params.evaluate.k,
        relevant_from=params.evaluate.relevant_from,
        level=params.evaluate.level,
        inputs=ground.inputs,
        places=rank_entries(truth, entries, params.evaluate),
        slices=rank_by_slice(truth, entries, _slice(ground, params)),
    )
    folder = workspace.comparison_report
    table = to_frame(contest.places).to_csv(index=False, float_format="%.6f")
    write_bytes(folder / "table.csv", table.encode())
    write_bytes(folder / "report.html", render_page(contest).encode())
    write_json(folder / "comparison.json", to_json(contest))  # last: it vouches for the others
    log_contest(workspace, contest)
    return contest


def read_ground(workspace: Workspace, params: Params) -> Ground:
    """Read what families learn from and are asked for.

    The workspace's own split if `params` have its strategy, else one that is made here, audited
    alike, and leaves no file.
    """
    from components.data.split import audit_parts, divide
    from components.training.trials import read_material
    from flows.lineage import read_code

    material = read_material(workspace, load_settings())
    if params.split == load_params(workspace.params).split:
        path = workspace.split / "test.parquet"
        inputs = {**material.inputs, "test": hash_file(path)}
        return Ground(replace(material, inputs=inputs), read_parquet(path), params.split.strategy)
    ratings = workspace.accepted / "ratings.parquet"
    train, test, _ = divide(read_parquet(ratings), params.split)
    audit_parts(workspace, train, test, params.split).refuse_leaks()
    described = {
        "accepted": hash_file(ratings),
        "split": params.split.model_dump(mode="json"),
        "code": read_code(workspace)["split"],
    }
    digest = hash_json(described)
    inputs = {**material.inputs, "ratings": digest, "test": digest}
    material = replace(material, ratings=train.reset_index(drop=True), inputs=inputs)
    return Ground(material, test.reset_index(drop=True), params.split.strategy)


def with_strategy(params: Params, strategy: str) -> Params:
    """Return parameters that split by another strategy; raise ParameterError for an unknown one."""
    known = get_args(Split.model_fields["strategy"].annotation)
    if strategy not in known:
        raise ParameterError(f"--strategy {strategy!r} is none of {', '.join(known)}")
    content = params.model_dump()
    content["split"]["strategy"] = strategy
    return Params.model_validate(content)


def _enter(
    ground: Ground, params: Params, families: Sequence[str], seeds: int, display: Display
) -> "Iterator[Entry]":
    """Yield an entry a family and seed; those of earlier comparisons come from the cache."""
    from components.contest.entry import load_entry, save_entry
    from components.training.families import FITTERS

    cache = ground.material.workspace.cache / "contest"
    own = cache / hash_json(ground.inputs)
    for family in families:
        first = params.train.seed
        # What is computed in closed form draws nothing: one seed is all seeds.
        for seed in range(first, first + (1 if family in FITTERS else seeds)):
            seeded = _with_seed(put_values(params, family, {}), seed)
            folder = own / hash_json(_describe(ground, seeded))
            entry = load_entry(folder)
            is_new = entry is None
            if entry is None:
                entry = _train(ground, seeded)
                save_entry(entry, folder)
            display.show(family, seed, entry, is_new=is_new)
            yield entry
    _drop_old_grounds(cache, own)


def _with_seed(params: Params, seed: int) -> Params:
    return params.model_copy(update={"train": params.train.model_copy(update={"seed": seed})})


def _describe(ground: Ground, params: Params) -> dict[str, object]:
    """Return all that an entry depends on beside the inputs."""
    import torch

    from components.contest.entry import FORMAT
    from flows.lineage import read_code

    return {
        "format": FORMAT,
        "code": read_code(ground.material.workspace).get("evaluate", ""),
        "data": params.data.model_dump(mode="json"),
        "train": params.train.model_dump(mode="json"),
        "options": params.options.model_dump(mode="json"),
        "lists": params.evaluate.model_dump(
            mode="json", include={"k", "relevant_from", "sampled_users", "seed"}
        ),
        "device": ground.material.device,
        "torch": str(torch.__version__),
    }


def _train(ground: Ground, params: Params) -> "Entry":
    """Train one family anew, from no checkpoint: what it took is part of the result."""
    from components.contest.entry import measure_entry
    from components.training.trials import forget, learn, search_epochs

    material, family = ground.material, params.train.family
    forget(material, params)
    started = time.monotonic()
    try:
        best = search_epochs(material, params, lambda epoch: None)
        bundle = learn(material, params, material.ratings, best.epoch)
    except TrainingError as error:
        raise TrainingError(f"{family}: {error}; or leave it out with --families") from error
    seconds = time.monotonic() - started
    forget(material, params)
    scratch = material.workspace.cache
    scratch.mkdir(parents=True, exist_ok=True)
    log.info("family trained family=%s seed=%d seconds=%.1f", family, params.train.seed, seconds)
    return measure_entry(
        bundle,
        ground.test,
        params.evaluate,
        seed=params.train.seed,
        seconds=seconds,
        valid_rmse=best.rmse,
        scratch=scratch,
    )


def _slice(ground: Ground, params: Params) -> "dict[str, Bools]":
    from components.slices import slice_rows
    from components.training.trials import learn

    simplest = learn(ground.material, put_values(params, "mean", {}), ground.material.ratings, 0)
    return slice_rows(ground.test, simplest)


def _drop_old_grounds(cache: Path, own: Path) -> None:
    """Remove what was measured on inputs that have not been compared on for long."""
    own.touch()
    newest = sorted(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in newest[_KEPT_GROUNDS:]:
        shutil.rmtree(old)

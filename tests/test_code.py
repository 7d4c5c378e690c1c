import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import components
from components.__main__ import STEPS
from components.code import digest_steps, refresh_code
from components.errors import BeholderError
from components.paths import Workspace

STEPS_OF_SHOP = {"bake": "shop.bake.step:run", "sell": "shop.sell.step:run"}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two steps that share one module, one of them through a lazy import."""
    files = {
        "__init__.py": "",
        "shared.py": "PRICE = 1\n",
        "alone.py": "",
        "bake/__init__.py": "",
        "bake/step.py": "def run():\n    from shop.shared import PRICE\n    return PRICE\n",
        "bake/flour.py": "",
        "bake/recipe.txt": "flour",
        "sell/__init__.py": "",
        "sell/step.py": "from shop import shared\nfrom shop.sell import till\n",
        "sell/till.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    yield tmp_path / "shop"
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ("shared.py", {"bake", "sell"}),
        ("sell/till.py", {"sell"}),
        ("bake/step.py", {"bake"}),
        ("bake/recipe.txt", {"bake"}),
        ("bake/__init__.py", {"bake"}),
        ("__init__.py", {"bake", "sell"}),
        ("alone.py", set()),
        ("bake/flour.py", set()),
    ],
)
def test_change_of_a_module_makes_exactly_the_steps_stale_that_import_it(
    shop: Path, changed: str, stale: set[str]
) -> None:
    before = digest_steps(STEPS_OF_SHOP)
    with (shop / changed).open("a") as file:
        file.write("# changed\n")
    after = digest_steps(STEPS_OF_SHOP)
    assert {step for step in STEPS_OF_SHOP if before[step] != after[step]} == stale


def test_step_without_its_module_is_named(shop: Path) -> None:
    with pytest.raises(BeholderError, match=r"'give' names the module shop\.gone"):
        digest_steps({**STEPS_OF_SHOP, "give": "shop.gone:run"})


def test_bytecode_and_hidden_files_change_nothing(shop: Path) -> None:
    before = digest_steps(STEPS_OF_SHOP)
    (shop / "bake/__pycache__").mkdir()
    (shop / "bake/__pycache__/step.pyc").write_bytes(b"x")
    (shop / "bake/.step.py.swp").write_bytes(b"x")
    assert digest_steps(STEPS_OF_SHOP) == before


def test_copy_at_another_place_has_the_same_digests(tmp_path: Path) -> None:
    source = Path(components.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, tmp_path / "components", ignore=ignored)
    script = "import yaml; from components.code import *; print(yaml.safe_dump(digest_steps()))"
    child = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert yaml.safe_load(child.stdout) == digest_steps()


def test_every_step_has_a_digest_of_its_own() -> None:
    digests = digest_steps()
    assert digests.keys() == STEPS.keys()
    assert len(set(digests.values())) == len(STEPS)


def test_code_file_is_written_only_where_it_differs(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert refresh_code(workspace)
    written = workspace.code.stat().st_mtime_ns
    assert not refresh_code(workspace)
    assert workspace.code.stat().st_mtime_ns == written
    workspace.code.write_text("train: old\n")
    assert refresh_code(workspace)
    assert yaml.safe_load(workspace.code.read_text()) == digest_steps()

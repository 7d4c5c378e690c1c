import ast
from pathlib import Path

import pytest

from components.errors import BeholderError
from components.packaging.sources import find_sources

SOURCES = find_sources("serving.service")


def test_service_and_what_it_imports_later_are_in():
    assert {
        "serving/__init__.py",
        "serving/service.py",
        "serving/answers.py",
        "serving/page/index.html",  # beside a module
        "components/__init__.py",
        "components/errors.py",
        "components/models/predictor.py",
        "components/features/encoders.py",  # imported inside a function
        "components/packaging/release.py",
    } <= SOURCES.keys()


def test_nothing_of_training_packaging_or_flows_is_in():
    assert not [name for name in SOURCES if name.startswith(("flows/", "components/training/"))]
    assert "components/packaging/bento.py" not in SOURCES
    assert "components/features/step.py" not in SOURCES


def test_every_import_of_our_own_is_in():
    for name, path in SOURCES.items():
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                place = Path(*node.module.split("."))
                if place.parts[0] in ("serving", "components"):
                    known = {f"{place.as_posix()}.py", f"{place.as_posix()}/__init__.py"}
                    assert known & SOURCES.keys(), f"{name} imports {node.module}"


def test_unknown_module_is_an_error():
    with pytest.raises(BeholderError, match=r"serving\.nothing is not installed"):
        find_sources("serving.nothing")

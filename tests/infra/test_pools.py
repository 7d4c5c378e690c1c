"""What infra/README.md puts into base job templates fits the schemas that Prefect ships."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

README = Path(__file__).parents[2] / "infra/README.md"
EXAMPLES = dict(re.findall(r"```yaml (\w+)\n(.*?)```", README.read_text(), re.DOTALL))


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """What may be told to a job, by type of work pool."""
    shipped = "server/api/collections_data/views/aggregate-worker-metadata.json"
    packages: dict[str, Any] = json.loads((files("prefect") / shipped).read_text())
    return {
        kind: worker["default_base_job_configuration"]["variables"]
        for workers in packages.values()
        for kind, worker in workers.items()
    }


def test_every_kind_of_pool_that_is_spoken_of_has_an_example():
    assert set(EXAMPLES) == {"docker", "kubernetes", "ecs"}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_example_is_what_prefect_lets_a_job_be_told(schemas: dict[str, Any], kind: str):
    told = yaml.safe_load(EXAMPLES[kind])
    jsonschema.validate(told, {**schemas[kind], "additionalProperties": False})

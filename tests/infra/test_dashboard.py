"""The files for Prometheus and Grafana name metrics and labels that there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring.gauges import GAUGES

INFRA = Path(__file__).parents[2] / "infra"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
LABELS = {"counter": set[str](), "histogram": {"le"}}

Known = dict[str, set[str]]


@pytest.fixture(scope="module")
def known() -> Known:
    """The labels of each series of the endpoint and of a look."""
    from serving.metrics import open_meter

    found = {name: set(labels) for name, (_, labels) in GAUGES.items()}
    for metric in vars(open_meter()).values():
        if hasattr(metric, "describe"):
            (family,) = metric.describe()
            for suffix in SUFFIXES[family.type]:
                found[family.name + suffix] = {*metric._labelnames, *LABELS[family.type]}
    return found


def read_dashboard() -> list[dict[str, Any]]:
    return list(json.loads((INFRA / "grafana/beholder.json").read_text())["panels"])


def list_queries() -> Iterator[tuple[str, str]]:
    """Yield each query, and what its legend names."""
    for panel in read_dashboard():
        yield from ((target["expr"], target["legendFormat"]) for target in panel["targets"])
    for group in yaml.safe_load((INFRA / "beholder-rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["expr"], rule["annotations"]["summary"].replace("$labels.", "")


@pytest.mark.parametrize("query", list(list_queries()), ids=lambda query: query[0])
def test_query_names_metrics_and_labels_that_there_are(known: Known, query: tuple[str, str]):
    expression, legend = query
    names = re.findall(r"beholder_\w+", expression)
    assert names
    assert set(names) <= known.keys()
    labels = set[str]().union(*(known[name] for name in names))
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    used = {label.strip() for text in grouped for label in text.split(",")}
    used |= set(re.findall(r"\{(\w+)=", expression))
    used |= set(re.findall(r"\{\{\s*(\w+)\s*\}\}", legend))
    assert used <= labels


def test_every_metric_is_on_the_dashboard(known: Known):
    shown = " ".join(expression for expression, _ in list_queries())
    families = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in known}
    assert {family for family in families if family not in shown} == set()


def test_panels_stand_side_by_side_and_have_ids_of_their_own():
    panels = read_dashboard()
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not taken & cells
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_scrape_asks_the_endpoint_and_the_worker():
    content = yaml.safe_load((INFRA / "prometheus.yml").read_text())
    targets = [one["static_configs"][0]["targets"] for one in content["scrape_configs"]]
    assert targets == [["127.0.0.1:3000"], ["127.0.0.1:4300"]]
    assert all((INFRA / name).is_file() for name in content["rule_files"])

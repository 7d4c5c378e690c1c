"""Data Docs: Great Expectations' own pages, readable offline, the same bytes for the same data."""

import datetime
import html
import itertools
import re
from functools import cache
from pathlib import Path
from typing import Any

from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from components.files import write_bytes

_OF_THIS_RUN = (
    "validation_time",
    "validation_id",
    "batch_markers",
    "batch_parameters",
    "active_batch_definition",
    "checkpoint_id",
)
_NO_TIME = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_RANDOM_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Styles, scripts and pictures that the pages would fetch, and scripts that need those; and the
# time in a picture's address.
_FETCHED = re.compile(
    r"<link\b[^>]*https?://[^>]*>|<img\b[^>]*https?://[^>]*>"
    r"|<script\b.*?</script>|url\('https?://[^']*'\)[^;]*"
    r"|<footer>.*?</footer>",
    re.DOTALL,
)
# Pages of a site with more folders than ours.
_ELSEWHERE = re.compile(r'href="(?:\.\./)+[^"]*"')
_TIME_IN_PATH, _TIME_IN_TABLE = " / 1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00Z"
_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 0 2rem; }
table { border-collapse: collapse; margin: .5rem 0; }
td, th { border: 1px solid #ddd; padding: .3rem .6rem; text-align: left; vertical-align: top; }
.badge, code { background: #eee; color: #222; border-radius: .2rem; padding: 0 .3rem; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; }
.navbar, .ge-breadcrumbs { position: static; }
.modal, [data-toggle=collapse] { display: none; }
.collapse { display: block; }
.container, .container-fluid { padding-top: 0; max-width: none; }
.fa-check-circle::before { content: "✓"; color: #070; }
.fa-times::before { content: "✗"; color: #b00; }
.fa-exclamation-triangle::before { content: "!"; color: #a60; }
.failed { color: #b00; }
</style>"""


def render_page(outcome: Any) -> str:
    """Return the page of one suite's outcome; takes what belongs to this very run out of it."""
    outcome.id = None
    outcome.meta = {k: v for k, v in outcome.meta.items() if k not in _OF_THIS_RUN}
    outcome.meta["run_id"] = RunIdentifier(run_name="validate", run_time=_NO_TIME)
    page: str = _view().render(ValidationResultsPageRenderer().render(outcome))
    numbers = itertools.count()
    names: dict[str, str] = {}
    page = _RANDOM_ID.sub(lambda found: names.setdefault(found[0], f"part-{next(numbers)}"), page)
    page = page.replace(_TIME_IN_PATH, "").replace(_TIME_IN_TABLE, "not kept")
    page = _ELSEWHERE.sub('href="index.html"', _FETCHED.sub("", page))
    return page.replace("</head>", f"{_STYLE}</head>", 1)


@cache
def _view() -> DefaultJinjaPageView:
    # One for all pages: it compiles each template once.
    return DefaultJinjaPageView()


def write_docs(folder: Path, pages: dict[str, tuple[bool, int, str]], failures: list[str]) -> None:
    """Write each suite's page and an index of them; `pages` are (passed, rows, page) by suite."""
    lines = []
    for suite, (passed, rows, page) in pages.items():
        write_bytes(folder / f"{suite}.html", page.encode())
        state = "passed" if passed else '<span class="failed">failed</span>'
        link = f'<a href="{suite}.html">{suite.replace("_", " ")}</a>'
        lines.append(f"<tr><td>{link}</td><td>{rows:,}</td><td>{state}</td></tr>")
    said = "".join(f'<p class="failed">{html.escape(failure)}</p>' for failure in failures)
    verdict = said or "<p>Everything that was demanded of the data holds.</p>"
    index = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Validation</title>'
        f"{_STYLE}</head><body><h1>Validation</h1>{verdict}<table><tr><th>suite</th><th>rows</th>"
        f"<th>outcome</th></tr>{''.join(lines)}</table></body></html>\n"
    )
    write_bytes(folder / "index.html", index.encode())

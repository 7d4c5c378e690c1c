"""From a template to a page: escaped, strict about names, with the shared style and macros."""

from pathlib import Path
from typing import Any


def render(folder: Path, template: str, **content: Any) -> str:
    """Return a page's HTML from a template in `folder`; the same content gives the same bytes.

    The template may include `page.css` and import `macros.html.j2`, which all pages share. What
    comes from the data is escaped; a name that is not given is an error.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)

"""The web page at `/`: hand-written files beside this module, and how strictly they are served."""

from pathlib import Path

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

MEDIA_TYPES = {
    "index.html": "text/html",
    "api.html": "text/html",
    "api.css": "text/css",
    "style.css": "text/css",
    "app.js": "text/javascript",
    "asking.js": "text/javascript",
    "keeping.js": "text/javascript",
}


def read_page(name: str) -> bytes:
    """Return one of the files in MEDIA_TYPES."""
    return Path(__file__).with_name(name).read_bytes()

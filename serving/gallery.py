"""The page at `/` and what it shows: items, their pictures, and which liked one an item looks like.

Plain routes beside BentoML's, answered in threads of their own so that no picture read from a disk
holds up a recommendation. A picture is found by an item's id through the catalogue alone: nothing
of a request ever becomes a path.
"""

import hashlib
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from components.pictures import MEDIA_TYPE, picture_file
from components.settings import load_settings
from serving.inputs import JSON, parse_fields, parse_json, require_json
from serving.page import MEDIA_TYPES, POLICY, read_page
from serving.refusal import Refusal, not_ready, write_error
from serving.schemas.answers import Answer
from serving.schemas.fields import MAX_ID
from serving.schemas.requests import ExplainRequest, ItemsRequest, PictureRequest

if TYPE_CHECKING:
    from serving.desk import Desk
    from serving.release import Release

Query = TypeVar("Query", bound=BaseModel)

_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
# The page's own colours: a frame with a hill and a sun, seen on light and dark alike.
_PLACEHOLDER = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 160" role="img">'
    b"<title>no picture</title>"
    b'<rect width="120" height="160" fill="#8b909b" fill-opacity=".18"/>'
    b'<g fill="none" stroke="#8b909b" stroke-width="3" stroke-linejoin="round">'
    b'<rect x="34" y="58" width="52" height="44" rx="5"/><circle cx="48" cy="71" r="4"/>'
    b'<path d="m36 98 16-16 10 10 10-13 12 16"/></g></svg>'
)


def show_page(request: Request) -> Response:
    """Answer GET / with the page, and /page/NAME with its parts."""
    name = request.path_params.get("name") or "index.html"
    if name not in MEDIA_TYPES:
        raise Refusal(HTTPStatus.NOT_FOUND, "the page has no such part")
    return _send_file(request, name, {"content-security-policy": POLICY})


def show_api(request: Request) -> Response:
    """Answer GET /api with the page on which every route can be tried."""
    return _send_file(request, "api.html", {})


def list_items(request: Request) -> Response:
    """Answer GET /items."""
    from serving import looks

    query = parse_fields(ItemsRequest, dict(request.query_params))
    return _send(looks.list_items(_release(request), query))


def show_item(request: Request) -> Response:
    """Answer GET /items/ID."""
    from serving import looks

    return _send(looks.describe_item(_release(request), _item_id(request)))


def show_picture(request: Request) -> Response:
    """Answer GET /items/ID/picture: a small copy, or a placeholder that says it is one."""
    from serving import looks

    query = parse_fields(PictureRequest, dict(request.query_params))
    release = _release(request)
    item_id = _item_id(request)
    sha256 = looks.find_image(release, item_id)
    content = None if sha256 is None else _read_picture(sha256, query.width)
    if content is None:
        headers = {"x-beholder-picture": "none", "cache-control": _ASK_AGAIN}
        return Response(_PLACEHOLDER, media_type="image/svg+xml", headers=headers)
    # The same item may look different in another release; in one release it never does, unless it
    # is one that a refresh of the catalogue brought.
    is_pinned = query.release == release.manifest.lineage_id and looks.is_learnt(release, item_id)
    headers = {
        "x-beholder-picture": "copy",
        "cache-control": _FOREVER if is_pinned else _ASK_AGAIN,
        "etag": f'"{sha256}-{query.width}"',
    }
    return _unless_known(request, content, MEDIA_TYPE, headers)


async def explain(request: Request) -> Response:
    """Answer POST /explain."""
    from serving import looks

    require_json(request)
    body = parse_json(ExplainRequest, await request.body())
    return _send(await run_in_threadpool(looks.explain, _release(request), body))


def answer_refusal(request: Request, error: Exception) -> Response:
    """Answer a refused request with its sentence."""
    if not isinstance(error, Refusal):
        raise error
    return Response(write_error(str(error)), int(error.error_code), media_type=JSON)


routes = [
    Route("/", show_page),
    Route("/page/{name}", show_page),
    Route("/api", show_api),
    Route("/items", list_items),
    # An id may hold a slash.
    Route("/items/{item_id:path}/picture", show_picture),
    Route("/items/{item_id:path}", show_item),
    Route("/explain", explain, methods=["POST"]),
]


@cache
def _part(name: str) -> tuple[bytes, str]:
    content = read_page(name)
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _send_file(request: Request, name: str, headers: dict[str, str]) -> Response:
    content, etag = _part(name)
    own = {
        "cache-control": _ASK_AGAIN,
        "etag": etag,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    return _unless_known(request, content, MEDIA_TYPES[name], {**own, **headers})


def _unless_known(
    request: Request, content: bytes, media_type: str, headers: dict[str, str]
) -> Response:
    """Send what the caller does not hold already."""
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def _send(answer: Answer) -> Response:
    return Response(answer.model_dump_json(), media_type=JSON)


def _release(request: Request) -> "Release":
    desk: Desk | None = getattr(request.app.state, "desk", None)
    if desk is None:
        raise not_ready()
    return desk.take_release()


def _item_id(request: Request) -> str:
    item_id: str = request.path_params["item_id"]
    if len(item_id) > MAX_ID:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"item_id: longer than {MAX_ID} characters")
    return item_id


def _read_picture(sha256: str, width: int) -> bytes | None:
    folder = load_settings().pictures
    if folder is None:
        return None
    try:
        return picture_file(folder, width, sha256).read_bytes()
    except FileNotFoundError:
        return None

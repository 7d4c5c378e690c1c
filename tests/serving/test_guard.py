"""Who is let in, and that every route says what it asks for."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount

from components.keys import SCOPES, KeyRing, Rate, make_key, revoke_key
from serving.allowance import Allowance
from serving.guard import Guard, caller, read_token
from serving.scopes import OPEN, ROUTES, find_scope, is_below, scope_of
from serving.service import Beholder


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Place:
    """A guard over an application that says who called."""

    def __init__(self, folder: Path, is_required: bool | None = True) -> None:
        self.file = folder / "keys.json"
        self.clock = Clock()
        self.guard = Guard(
            self.answer, KeyRing(self.file), Allowance(None), is_required, self.clock
        )

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(caller.get()).encode()})

    def ask(
        self, path: str = "/recommend", server: Any = ("10.0.0.1", 80), **headers: str
    ) -> tuple[int, dict[bytes, bytes], Any]:
        told = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
        scope = {"type": "http", "path": path, "headers": told, "server": server}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("a body was read")

        asyncio.run(self.guard(scope, receive, send))
        start, body = sent
        return start["status"], dict(start["headers"]), json.loads(body["body"])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_key_in_either_header_opens_its_scope_and_names_the_caller(place: Place):
    token = make_key(place.file, "shop", ("recommend",), None)
    for headers in (
        {"authorization": f"Bearer {token}"},
        {"authorization": f"bearer  {token}"},
        {"x_api_key": token},
    ):
        assert place.ask(**headers)[::2] == (200, "shop")
    assert caller.get() == ""


def test_without_a_key_the_refusal_says_how_to_send_one(place: Place):
    make_key(place.file, "shop", ("recommend",), None)
    status, headers, body = place.ask()
    assert (status, headers[b"www-authenticate"]) == (401, b"Bearer")
    assert list(body) == ["error"]
    assert "Authorization: Bearer KEY" in body["error"]
    assert place.ask(authorization="Basic x")[0] == 401
    assert "unknown" in place.ask(x_api_key="bhk_guess")[2]["error"]


def test_where_there_is_no_key_yet_the_refusal_names_the_command(place: Place):
    assert "beholder keys make" in place.ask()[2]["error"]


def test_key_without_the_scope_is_refused_and_told_what_it_has(place: Place):
    token = make_key(place.file, "shop", ("recommend", "feedback"), None)
    for path in ("/metrics", "/schema.json", "/nothing", "/metrics/", "//recommend"):
        status, _, body = place.ask(path, x_api_key=token)
        assert status == 403
        assert "it has recommend, feedback" in body["error"]
    assert place.ask("/feedback", x_api_key=token)[0] == 200


def test_key_that_asks_too_often_is_told_when_to_come_back(place: Place):
    token = make_key(place.file, "shop", ("recommend",), Rate(2, 60))
    answers = [place.ask(x_api_key=token) for _ in range(3)]
    assert [answer[0] for answer in answers] == [200, 200, 429]
    assert answers[2][1][b"retry-after"] == b"30"
    assert "2/m" in answers[2][2]["error"]
    place.clock.now = 30.0
    assert place.ask(x_api_key=token)[0] == 200


def test_revoked_key_is_refused_within_a_second(place: Place):
    token = make_key(place.file, "shop", ("recommend",), None)
    assert place.ask(x_api_key=token)[0] == 200
    revoke_key(place.file, "shop")
    place.clock.now = 1.0
    assert place.ask(x_api_key=token)[0] == 401


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/model", "/api", "/docs.json"])
def test_probes_and_what_describes_the_interface_stay_open(place: Place, path: str):
    assert place.ask(path)[::2] == (200, "")


@pytest.mark.parametrize(
    ("is_required", "server", "status"),
    [
        (None, ("127.0.0.1", 80), 200),
        (None, ("::1", 80), 200),
        (None, ("10.0.0.1", 80), 401),
        (None, None, 401),
        (True, ("127.0.0.1", 80), 401),
        (False, ("10.0.0.1", 80), 200),
    ],
)
def test_keys_are_asked_for_where_others_come_in_unless_the_settings_differ(
    tmp_path: Path, is_required: bool | None, server: Any, status: int
):
    assert Place(tmp_path, is_required).ask(server=server)[0] == status


def test_other_scopes_pass_untouched(place: Place):
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    guard = Guard(app, KeyRing(None), Allowance(None), True)
    asyncio.run(guard({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_token_in_strange_bytes_is_no_error():
    assert read_token([(b"X-API-Key", b"\xff\x00")]) == "\xff\x00"
    assert read_token([(b"authorization", b"")]) is None


def mounted(app: Any) -> set[str]:
    """Return the paths of an application's routes; a mount of files is PATH/*."""
    while not hasattr(app, "routes"):
        app = app.app
    paths: set[str] = set()
    for route in app.routes:
        below = (
            mounted(route.app) if isinstance(route, Mount) and hasattr(route.app, "routes") else ()
        )
        if isinstance(route, Mount):
            paths |= {route.path + path for path in below or ("/*",)}
        else:
            paths.add(route.path)
    return paths


def test_every_route_says_what_it_asks_for():
    routes = mounted(Beholder.to_asgi()) | set(Beholder.openapi_spec.asdict()["paths"])
    assert {"/recommend", "/model", "/metrics", "/static_content/*"} <= routes
    assert {route for route in routes if find_scope(route) is None} == set()
    below = {route for route in ROUTES if route.endswith("/*")}
    assert set(ROUTES) - routes - below == set()
    assert {route for route in below if not any(is_below(path, route) for path in routes)} == set()
    assert set(ROUTES.values()) <= {OPEN, *SCOPES}


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/feedback", "feedback"),
        ("/static_content/a/b.js", OPEN),
        ("/static_content", "operate"),
        ("/livez/x", "operate"),
        ("", "operate"),
    ],
)
def test_path_asks_for_its_scope_and_an_unknown_one_for_the_most(path: str, scope: str):
    assert scope_of(path) == scope


def test_pattern_fits_whatever_lies_below_it_and_not_itself():
    assert scope_of("/items/a/b/picture") == "recommend"
    assert scope_of("/page/app.js") == OPEN
    assert scope_of("/pages") == "operate"

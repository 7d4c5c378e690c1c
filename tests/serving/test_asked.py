import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from serving.asked import answered_from, begin, now


@pytest.mark.parametrize("given", [b"a", b"order-7:2026.11_x", b"0" * 64])
def test_fit_id_of_the_caller_is_kept(given: bytes):
    assert begin([(b"x-request-id", given)]).request_id == given.decode()


@pytest.mark.parametrize("given", [b"", b"0" * 65, b"a b", b"a\r\nb", "ü".encode(), b"<b>"])
def test_unfit_id_is_replaced_by_one_of_our_own(given: bytes):
    ids = {begin([(b"x-request-id", given)]).request_id for _ in range(2)}
    assert len(ids) == 2
    assert all(len(one) == 32 for one in ids)


def test_headers_name_the_release_once_it_is_known():
    asked = begin([])
    assert [name for name, _ in asked.headers()] == [b"x-request-id"]
    manifest = SimpleNamespace(version="7", lineage_id="abc")
    answered_from(cast(Any, SimpleNamespace(manifest=manifest)))
    assert dict(asked.headers())[b"x-model-version"] == b"7"
    assert dict(asked.headers())[b"x-lineage-id"] == b"abc"


def test_requests_that_are_answered_at_once_do_not_mix():
    async def ask(name: bytes, entered: asyncio.Event, other: asyncio.Event) -> str | None:
        begin([(b"x-request-id", name)])
        entered.set()
        await other.wait()
        asked = now()
        return None if asked is None else asked.request_id

    async def both() -> list[str | None]:
        one, two = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(ask(b"a", one, two), ask(b"b", two, one))

    assert asyncio.run(both()) == ["a", "b"]


def test_outside_of_a_request_there_is_none():
    async def ask() -> object:
        return now()

    import contextvars

    assert contextvars.Context().run(asyncio.run, ask()) is None

"""What BentoML answers by itself, and what is answered beside it.

Its metrics count each address that anybody thinks of under a name of its own, for ever: a crawler
would fill the memory. So it sees those addresses only of which there are finitely many.
"""

from collections.abc import Container

from starlette.types import ASGIApp, Receive, Scope, Send


class Beside:
    """ASGI: the addresses named go on to `app`, all others to `beside`."""

    def __init__(self, app: ASGIApp, named: Container[str], beside: ASGIApp) -> None:
        self.app = app
        self.named = named
        self.beside = beside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] == "http" and scope["path"] not in self.named:
            await self.beside(scope, receive, send)
        else:
            await self.app(scope, receive, send)

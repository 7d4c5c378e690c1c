"""BentoML's service with our layers in front of it and our own OpenAPI document."""

import inspect
from typing import Any, TypeVar

import yaml
from _bentoml_sdk import Service  # type: ignore[import-untyped]  # the pinned version's own
from pydantic import BaseModel
from starlette.types import ASGIApp

from components.keys import KeyRing
from components.settings import load_settings
from serving.allowance import Allowance
from serving.beside import Beside
from serving.documents import Operation, write_document
from serving.door import Door
from serving.fastpath import FastPath
from serving.guard import Guard
from serving.inputs import FORM, JSON, FormInput
from serving.listener import listen_within_bounds
from serving.metrics import open_meter
from serving.reception import Reception
from serving.schemas.answers import ExplainAnswer, ItemAnswer, ItemsAnswer, ModelAnswer
from serving.schemas.requests import ExplainRequest, ItemsRequest, PictureRequest
from serving.scopes import ROUTES
from serving.turns import Turns

T = TypeVar("T")

# What serving/gallery.py answers beside BentoML's own routes.
_GALLERY = [
    Operation(
        "/items", "items", "A page of the catalogue.", None, "", ItemsAnswer, query=ItemsRequest
    ),
    Operation("/items/{item_id}", "item", "One item.", None, "", ItemAnswer),
    Operation(
        "/items/{item_id}/picture",
        "picture",
        "A small copy of an item's picture; `x-beholder-picture: none` marks a placeholder.",
        None,
        "",
        None,
        query=PictureRequest,
    ),
    Operation(
        "/explain",
        "explain",
        "Which liked item each item looks most like.",
        ExplainRequest,
        JSON,
        ExplainAnswer,
    ),
]


class Document(dict[str, Any]):
    """An OpenAPI document in the form that BentoML asks for."""

    def asdict(self) -> dict[str, Any]:
        """Return the plain document."""
        return dict(self)


class Endpoint(Service[T]):
    """A service with our layers outermost: BentoML's own middleware stands inside their limits.

    From outside in: reception (id, counts, refusal when all are busy), guard (keys), door (bounds
    of what comes in, one form of errors), turns (order among those that are answered), fast path.

    What the inner class names as `quick()` is answered before BentoML's layers; addresses in no
    table are answered by its `pages()`, and `lines()` are where requests wait.
    """

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Return the application that a worker runs."""
        # A name that ends in /* is none of a request.
        app: ASGIApp = Beside(super().to_asgi(is_main=is_main), ROUTES, self.inner.pages())
        app = FastPath(app, self.inner.quick())
        settings = load_settings()
        folder = settings.endpoint_folder
        lines = self.inner.lines()
        reception = Reception(
            # Who may not ask has no body read.
            Guard(
                Door(Turns(app, lines)),
                KeyRing(settings.keys_file),
                Allowance(None if folder is None else folder / "rates"),
                settings.require_keys,
            ),
            lines,
            open_meter(),
        )
        listen_within_bounds(reception.turn_away)
        return reception

    @property
    def openapi_spec(self) -> Document:
        """The document at /docs.json, and in the Bento's apis/openapi.yaml."""
        yaml.add_representer(Document, lambda dumper, data: dumper.represent_dict(data.asdict()))
        return Document(
            write_document(
                self._operations(),
                title="Beholder",
                version=str(self.bento.tag.version) if self.bento else "development",
                description=inspect.getdoc(self.inner) or "",
            )
        )

    def _operations(self) -> list[Operation]:
        posts = [
            Operation(
                path=api.route,
                name=api.name,
                summary=inspect.cleandoc(api.doc or ""),
                body=_schema(api.input_spec),
                media_type=FORM if issubclass(api.input_spec, FormInput) else JSON,
                answer=_schema(api.output_spec),
            )
            for api in self.apis.values()
        ]
        model = Operation(
            "/model",
            "model",
            "Which model answers, and where it comes from.",
            None,
            "",
            ModelAnswer,
        )
        return [*posts, model, *_GALLERY]


def _schema(descriptor: type[BaseModel]) -> type[BaseModel]:
    """Return the schema that a descriptor was made from: the last of its bases."""
    return descriptor.__bases__[-1]

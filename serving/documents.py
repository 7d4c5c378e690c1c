"""The OpenAPI document of the endpoint, from the schemas."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from components.pictures import MEDIA_TYPE
from serving.inputs import JSON
from serving.schemas.answers import Problem
from serving.schemas.fields import MAX_ID
from serving.scopes import OPEN, scope_of

_REF = "#/components/schemas/{model}"
_PICTURES = (MEDIA_TYPE, "image/svg+xml")
_BUSY = "429"
_PROBLEMS = {
    "400": "The body is not understood.",
    "401": "A key is needed here, or this one is unknown.",
    "403": "The key opens other addresses.",
    "404": "Something that the request names is not there.",
    "408": "The body did not come in time.",
    "409": "Something is stored already under the same id, with other content.",
    "413": "The body is too large.",
    "415": "The body is of another type than asked for.",
    "422": "A field is missing, unknown, or not within its bounds.",
    _BUSY: "All are busy, or the key has asked too often; ask again after the seconds told.",
    "500": "The server failed.",
    "503": "The server is not ready, or cannot store anything now.",
    "504": "The answer took too long.",
}
_OF_EVERY_ANSWER = {
    "X-Request-Id": "The request's id: the caller's own, where fit, or one of ours.",
}
_OF_AN_ANSWER = {
    **_OF_EVERY_ANSWER,
    "X-Model-Version": "Version of the model that answered.",
    "X-Lineage-Id": "Names the data, code and parameters that it was learnt from.",
}
_OF_A_PROBE = ("401", "403", "429", "500", "503")
_OF_A_REFUSAL = {"Retry-After": "Seconds to wait."}
# Where others reach the endpoint, one of them is needed.
_SECURITY: list[dict[str, list[str]]] = [{}, {"bearer": []}, {"key": []}]
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_TAGS = {
    "recommend": "What somebody would like, and how well.",
    "items": "What there is, what it looks like, and why it was recommended.",
    "feedback": "What users did.",
    "operations": "Which model answers, and how the endpoint is doing.",
}
# Where an address begins so; everything else recommends.
_TAGGED = {
    "/items": "items",
    "/explain": "items",
    "/feedback": "feedback",
    "/model": "operations",
    "/livez": "operations",
    "/healthz": "operations",
    "/readyz": "operations",
    "/metrics": "operations",
}


@dataclass(frozen=True)
class Operation:
    """One address: what it takes (no body for GET) and what it answers.

    `query` describes the parameters after the `?`; `answer` is None where the answer is a picture.
    """

    path: str
    name: str
    summary: str
    body: type[BaseModel] | None
    media_type: str
    answer: type[BaseModel] | None
    query: type[BaseModel] | None = None


def write_document(
    operations: Sequence[Operation], *, title: str, version: str, description: str
) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    models = _unique(
        [operation.body for operation in operations if operation.body is not None]
        + [operation.answer for operation in operations if operation.answer is not None]
        + [Problem]
    )
    # As it goes over the wire: a file is a binary string.
    mode: JsonSchemaMode = "serialization"
    _, definitions = models_json_schema([(model, mode) for model in models], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {operation.path: _path(operation) for operation in operations} | _probes(),
        "components": {"schemas": definitions["$defs"], "securitySchemes": _SCHEMES},
        "security": _SECURITY,
    }


def _path(operation: Operation) -> dict[str, Any]:
    item: dict[str, Any] = {
        **_group(operation.path),
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {
            "200": _answer(operation.answer) | {"headers": _headers(_OF_AN_ANSWER)},
            **{status: _refusal(status, text) for status, text in _PROBLEMS.items()},
        },
    }
    if parameters := _parameters(operation):
        item["parameters"] = parameters
    if operation.body is None:
        return {"get": item}
    item["requestBody"] = {
        "required": True,
        "content": {operation.media_type: {"schema": _reference(operation.body)}},
    }
    return {"post": item}


def _group(path: str) -> dict[str, Any]:
    """Return under which heading an address stands, and that no key is needed where none is."""
    tags = [tag for begin, tag in _TAGGED.items() if path.startswith(begin)] or ["recommend"]
    return {"tags": tags} | ({"security": []} if scope_of(path) == OPEN else {})


def _answer(model: type[BaseModel] | None) -> dict[str, Any]:
    if model is not None:
        return _response("The answer.", model, JSON)
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _PICTURES}
    return {"description": "The picture, or a placeholder where there is none.", "content": content}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    """Return what stands in the address: names in braces, then the fields after the `?`."""
    text = {"type": "string", "minLength": 1, "maxLength": MAX_ID}
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    if operation.query is None:
        return in_path
    schema = operation.query.model_json_schema()
    return in_path + [
        {"name": name, "in": "query", "required": False, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _probes() -> dict[str, Any]:
    yes = {"text/plain": {"schema": {"type": "string"}}}
    texts = {
        "/livez": "Whether the process is alive.",
        "/healthz": "The same, by its older name.",
        "/readyz": "Whether the release has passed its self-check and answers.",
        "/metrics": "Counts and times, for Prometheus.",
    }
    return {
        path: {
            "get": {
                **_group(path),
                "operationId": path.strip("/"),
                "summary": text,
                "responses": {
                    "200": {"description": "Yes.", "content": yes},
                    **{status: _refusal(status, _PROBLEMS[status]) for status in _OF_A_PROBE},
                },
            }
        }
        for path, text in texts.items()
    }


def _refusal(status: str, text: str) -> dict[str, Any]:
    told = _OF_EVERY_ANSWER | _OF_A_REFUSAL if status == _BUSY else _OF_EVERY_ANSWER
    return _response(text, Problem, JSON) | {"headers": _headers(told)}


def _headers(texts: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: {"description": text, "required": True, "schema": {"type": "string"}}
        for name, text in texts.items()
    }


def _response(text: str, model: type[BaseModel], media_type: str) -> dict[str, Any]:
    return {"description": text, "content": {media_type: {"schema": _reference(model)}}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _unique(models: Sequence[type[BaseModel]]) -> list[type[BaseModel]]:
    return list(dict.fromkeys(models))

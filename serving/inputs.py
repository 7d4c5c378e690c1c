"""From the bytes of a request to its typed form, or a refusal in one sentence.

BentoML's own reading answers 500 to broken uploads, ignores unknown fields, and fetches whatever
address stands in a file's place; so the bodies are read here.
"""

import json
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar, cast, get_args, get_origin

from bentoml import IODescriptor
from pydantic import BaseModel, ValidationError, create_model
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from serving.refusal import Refusal
from serving.schemas.fields import MAX_LIST, MAX_PICTURES
from serving.wording import describe

JSON = "application/json"
FORM = "multipart/form-data"

# Room for the longest list, a part for each element, and what else a form has.
_MAX_FIELDS = MAX_LIST + 16
# One more than any form takes, so that the schema says how many are too many.
_MAX_FILES = MAX_PICTURES + 1
_MAX_SHOWN = 300

Body = TypeVar("Body", bound=BaseModel)


class JsonInput(IODescriptor):
    """A body that is one JSON object."""

    __root_input__: ClassVar[bool] = True

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> "JsonInput":
        """Read the body; raise Refusal if it is not what the schema says."""
        require_json(request)
        return parse_json(cls, await request.body())


class FormInput(IODescriptor):
    """A body that is a form with files."""

    __root_input__: ClassVar[bool] = True
    media_type: ClassVar[str | None] = FORM

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> "FormInput":
        """Read the form; raise Refusal if it is not what the schema says."""
        if _media_type(request) != FORM:
            raise Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"send a form with 'Content-Type: {FORM}', not {_media_type(request)[:80]!r}",
            )
        try:
            async with request.form(max_files=_MAX_FILES, max_fields=_MAX_FIELDS) as form:
                return parse_fields(cls, await _collect(cls, form))
        except HTTPException as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"the form is broken: {error.detail}") from None


def require_json(request: Request) -> None:
    """Raise Refusal if a body says that it is anything but JSON."""
    if _media_type(request) not in ("", JSON):
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"send JSON with 'Content-Type: {JSON}', not {_media_type(request)[:80]!r}",
        )


def json_input(model: type[Body]) -> type[JsonInput]:
    """Return the descriptor that reads a model from a JSON body."""
    return cast("type[JsonInput]", _combine(JsonInput, model))


def form_input(model: type[Body]) -> type[FormInput]:
    """Return the descriptor that reads a model from a form."""
    return cast("type[FormInput]", _combine(FormInput, model))


def _combine(reading: type[IODescriptor], model: type[BaseModel]) -> type[BaseModel]:
    bases: Any = (reading, model)
    combined: type[BaseModel] = create_model(
        model.__name__, __base__=bases, __module__=__name__, __doc__=model.__doc__
    )
    return combined


def parse_json(model: type[Body], content: bytes) -> Body:
    """Read a model from JSON; raise Refusal naming the first field that is wrong."""
    if not content:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the body is empty; send a JSON object")
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise _refuse(error) from None


def parse_fields(model: type[Body], fields: dict[str, Any]) -> Body:
    """Read a model from a form's fields; raise Refusal naming the first field that is wrong."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _refuse(error) from None


async def _collect(model: type[BaseModel], form: FormData) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in form:
        values = [await _read_part(model, name, part) for part in form.getlist(name)]
        if _is_list(model, name):
            lists = [value if isinstance(value, list) else [value] for value in values]
            fields[name] = [value for group in lists for value in group]
        elif len(values) > 1:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name[:80]}: sent more than once")
        else:
            fields[name] = values[0]
    return fields


async def _read_part(model: type[BaseModel], name: str, part: UploadFile | str) -> Any:
    field = model.model_fields.get(name)
    wants_file = field is not None and _holds_files(field.annotation)
    if isinstance(part, UploadFile):
        if field is not None and not wants_file:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}: a file, where text belongs")
        return await part.read()
    if wants_file:
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{name}: text, where a file belongs (with curl: -F {name}=@picture.jpg)",
        )
    return _read_text(part, is_list=_is_list(model, name))


def _read_text(text: str, *, is_list: bool) -> Any:
    """Return a field's text as it came, unless it is a JSON string, list or null.

    BentoML's client writes fields as JSON, curl and browsers as plain text.
    """
    if text == "null" or (text[:1] == text[-1:] == '"') or (is_list and text[:1] == "["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _holds_files(annotation: Any) -> bool:
    if get_origin(annotation) is list:
        annotation = get_args(annotation)[0]
    return annotation is bytes or get_args(annotation)[:1] == (bytes,)


def _is_list(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and get_origin(field.annotation) is list


def _refuse(error: ValidationError) -> Refusal:
    problems = error.errors(include_url=False)
    sentence = describe(problems[0])
    if len(problems) > 1:
        sentence += f" (and {len(problems) - 1} more)"
    malformed = problems[0]["type"] == "json_invalid"
    status = HTTPStatus.BAD_REQUEST if malformed else HTTPStatus.UNPROCESSABLE_ENTITY
    return Refusal(status, sentence[:_MAX_SHOWN])


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()

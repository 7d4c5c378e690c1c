"""What fields of requests share: bounds, ids, files."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

MAX_K = 1000
MAX_LIST = 1000
MAX_ID = 256
MAX_USERS = 100
MAX_PICTURES = 8
# Every pick compares what is left with it, so a diverse list is a short one.
MAX_DIVERSE = 100
MAX_EVENTS = 1000
MAX_PAGE = 100
MAX_OFFSET = 100_000_000
MAX_SEED = 2_147_483_647
MAX_TIMESTAMP = 4_102_444_800  # 2100-01-01

# A NUL is where other software would cut an id off.
Identifier = Annotated[str, Field(min_length=1, max_length=MAX_ID, pattern=r"^[^\x00]+$")]


def _check_ends(identifier: str) -> str:
    if identifier != identifier.strip():
        raise ValueError("an id neither begins nor ends with a blank")
    return identifier


# What becomes a row of a batch, where blanks around an id are cut off.
StoredIdentifier = Annotated[Identifier, AfterValidator(_check_ends)]

K = Annotated[
    int, Field(ge=1, le=MAX_K, description="How many items to return at most.", examples=[10])
]
Exclude = Annotated[
    list[Identifier],
    Field(max_length=MAX_LIST, description="Items that shall not be returned.", examples=[["1"]]),
]
UserId = Annotated[
    Identifier,
    Field(description="The user; one that training never saw gets the prior.", examples=["196"]),
]


class FileSchema:
    """Shows a field as a file: to OpenAPI as a binary string, to BentoML's own client as `file`."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe the field; BentoML asks in the mode `validation`, OpenAPI in the other."""
        value = {**handler(schema), "type": "string", "format": "binary"}
        if handler.mode == "validation":
            value |= {"type": "file", "format": "image"}
        return value


Upload = Annotated[
    bytes, FileSchema(), Field(description="A JPEG, PNG or WebP picture, sent as a file part.")
]

"""What is wrong with a field, in words for whoever sent it: pydantic's own are for programmers."""

import re
from typing import Any

from pydantic_core import ErrorDetails

_WORDS = {
    "missing": "missing",
    "extra_forbidden": "there is no such field",
    "int_type": "not a whole number",
    "int_parsing": "not a whole number",
    "int_parsing_size": "too large a number",
    "int_from_float": "not a whole number",
    "float_type": "not a number",
    "float_parsing": "not a number",
    "finite_number": "not a finite number",
    "bool_type": "not true or false",
    "bool_parsing": "not true or false",
    "string_type": "not a text",
    "list_type": "not a list",
    "model_type": "not a JSON object",
    "model_attributes_type": "not a JSON object",
    "string_too_short": "empty",
    "string_too_long": "longer than {max_length} characters",
    "string_pattern_mismatch": "holds a NUL character",
    "too_short": "needs at least {min_length}",
    "too_long": "more than {max_length} of them",
    "less_than_equal": "{input} is more than {le}",
    "greater_than_equal": "{input} is less than {ge}",
    "literal_error": "not one of {expected}",
    "value_error": "{error}",
}
# How the parser says that one half of a pair of escapes stands alone.
_HALVES = re.compile("(unexpected end of|lone leading surrogate in) hex escape")
_HALF = "one of the escapes uD800 to uDFFF stands alone, which is half a character,"
_LONGEST = 20


def describe(problem: ErrorDetails) -> str:
    """Return what is wrong, and where; of what was sent only numbers are repeated, and short."""
    place = ".".join(str(part) for part in problem["loc"])[:80]
    words = _WORDS.get(problem["type"])
    if words is None:
        said = _HALVES.sub(_HALF, problem["msg"])
    else:
        facts = {name: _show(value) for name, value in problem.get("ctx", {}).items()}
        said = words.format(input=_show_number(problem["input"]), **facts)
    if problem["type"] == "value_error" and not place:
        return said  # of several fields, which the sentence names
    return f"{place or 'the body'}: {said}"


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _show_number(value: Any) -> str:
    """Return a number as it was sent; a form sends it as text."""
    if isinstance(value, int | float) and abs(value) < 10**_LONGEST:
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, str) and len(value) <= _LONGEST:
        return value
    return "the number"

"""What tests that ask over HTTP share."""

import httpx

# All that an error may say with a slash in it.
_ALLOWED = ("multipart/form-data", "application/json", "text/plain", "/docs.json", "HTTP/1.1")


def error_of(answer: httpx.Response, status: int) -> str:
    """Return the one sentence of a refusal, which names no path and shows no trace."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    sentence = str(body["error"])
    assert "Traceback" not in sentence
    rest = sentence
    for word in _ALLOWED:
        rest = rest.replace(word, "")
    assert "/" not in rest
    return sentence

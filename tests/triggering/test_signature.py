import base64
import hashlib
import hmac

import pytest

from components.triggering.signature import find_flaw

NOW = 1_700_000_000.0
BODY = b'{"entity": "model_version_tag"}'


def sign(body: bytes = BODY, *, secret: str = "s", at: float = NOW) -> dict[str, str]:
    signed = f"id-1.{int(at)}.".encode() + body
    told = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    return {
        "x-mlflow-signature": f"v1,{told}",
        "x-mlflow-delivery-id": "id-1",
        "x-mlflow-timestamp": str(int(at)),
    }


def test_delivery_of_now_with_the_right_secret_is_believed():
    assert find_flaw(sign(), BODY, secret="s", now=NOW + 200) is None


def test_what_mlflow_itself_signs_is_believed():
    from mlflow.webhooks.delivery import _generate_hmac_signature

    told = _generate_hmac_signature("s", "id-1", str(int(NOW)), BODY.decode())
    assert sign()["x-mlflow-signature"] == told


@pytest.mark.parametrize("name", list(sign()))
def test_header_that_is_missing_is_no_signature(name: str):
    headers = {key: value for key, value in sign().items() if key != name}
    assert find_flaw(headers, BODY, secret="s", now=NOW) == "it is not signed"


def test_other_secret_body_delivery_or_time_is_refused():
    wrong = "its signature is wrong"
    assert find_flaw(sign(secret="t"), BODY, secret="s", now=NOW) == wrong
    assert find_flaw(sign(), BODY + b" ", secret="s", now=NOW) == wrong
    moved = {**sign(), "x-mlflow-delivery-id": "id-2"}
    assert find_flaw(moved, BODY, secret="s", now=NOW) == wrong
    later = {**sign(), "x-mlflow-timestamp": str(int(NOW) + 1)}
    assert find_flaw(later, BODY, secret="s", now=NOW) == wrong
    odd = {**sign(), "x-mlflow-signature": "v1,ä"}
    assert find_flaw(odd, BODY, secret="s", now=NOW) == wrong


@pytest.mark.parametrize("at", [NOW - 301, NOW + 301])
def test_delivery_that_is_old_or_of_the_future_is_refused(at: float):
    found = find_flaw(sign(at=at), BODY, secret="s", now=NOW)
    assert found == "it is more than 300 seconds old, or of the future"

"""Whether a webhook really comes from our MLflow: its signature, and that it is no old one."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

SIGNATURE, DELIVERY, TIMESTAMP = "x-mlflow-signature", "x-mlflow-delivery-id", "x-mlflow-timestamp"
# As old, or as far ahead, a delivery may be: clocks differ, and MLflow tries again for a while.
MAX_AGE_SECONDS = 300


def find_flaw(headers: Mapping[str, str], body: bytes, *, secret: str, now: float) -> str | None:
    """Return why a delivery is not to be believed; None if it is MLflow's own, and of now.

    MLflow signs `DELIVERY.TIMESTAMP.BODY` with HMAC-SHA256, as Standard Webhooks have it.
    `headers` have their names in lower case; `now` is seconds since 1970.
    """
    told, delivery, timestamp = (headers.get(name, "") for name in (SIGNATURE, DELIVERY, TIMESTAMP))
    if not (told and delivery and timestamp):
        return "it is not signed"
    signed = f"{delivery}.{timestamp}.".encode() + body
    right = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest())
    if not hmac.compare_digest(told.encode(), b"v1," + right):
        return "its signature is wrong"
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > MAX_AGE_SECONDS:
        return f"it is more than {MAX_AGE_SECONDS} seconds old, or of the future"
    return None

"""A client of the endpoint for Python: `from serving.client import Beholder`.

It needs httpx and pydantic only; the service's own libraries are not imported.
"""

from serving.client.beholder import Beholder, History, Picture
from serving.client.transport import EndpointError
from serving.schemas.requests import FeedbackEvent, RatedItem

__all__ = ["Beholder", "EndpointError", "FeedbackEvent", "History", "Picture", "RatedItem"]

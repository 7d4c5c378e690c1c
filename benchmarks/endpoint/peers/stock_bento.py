"""BentoML out of the box: one API with a typed request and answer."""

import bentoml
from opening import open_it

from serving import answers
from serving.schemas.answers import RecommendAnswer
from serving.schemas.requests import RecommendRequest


@bentoml.service(workers=1)
class Stock:
    def __init__(self) -> None:
        self.release = open_it()

    @bentoml.api
    async def recommend(self, request: RecommendRequest, /) -> RecommendAnswer:
        return answers.recommend(self.release, request)

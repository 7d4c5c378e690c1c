"""LitServe, as one would write it: one API, one worker."""

import os
from typing import Any

import litserve
from opening import open_it

from serving import answers
from serving.schemas.answers import RecommendAnswer
from serving.schemas.requests import RecommendRequest


class Recommending(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.release = open_it()

    def decode_request(self, request: RecommendRequest) -> RecommendRequest:
        return request

    def predict(self, request: RecommendRequest) -> RecommendAnswer:
        return answers.recommend(self.release, request)

    def encode_response(self, answer: RecommendAnswer) -> Any:
        return answer


if __name__ == "__main__":
    server = litserve.LitServer(
        Recommending(api_path="/recommend"),
        accelerator="cpu",
        workers_per_device=1,
        healthcheck_path="/readyz",
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        generate_client_file=False,
        log_level="warning",
    )

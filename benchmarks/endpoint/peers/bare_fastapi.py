"""FastAPI on uvicorn, as one would write it: one route, nothing else."""

import os

import uvicorn
from fastapi import FastAPI
from opening import open_it

from serving import answers
from serving.schemas.answers import RecommendAnswer
from serving.schemas.requests import RecommendRequest

release = open_it()
app = FastAPI()


@app.get("/readyz")
def ready() -> str:
    return "ready"


@app.post("/recommend")
async def recommend(request: RecommendRequest) -> RecommendAnswer:
    return answers.recommend(release, request)


uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning", access_log=False)

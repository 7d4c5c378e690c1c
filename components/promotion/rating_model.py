"""The model that MLflow runs from code: it reads the served bundle and rates pairs.

MLflow copies this file beside the bundles and runs it as a script when it loads the model, so
it must stand on `components.models` alone. Nobody imports it.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from components.models.bundle import load_bundle
from components.models.catalogue import Floats
from components.models.predictor import Predictor


class RatingModel(PythonModel):
    """Rates (user_id, item_id) rows as the endpoint does."""

    def load_context(self, context: Any) -> None:
        """Read the served bundle, every byte of it verified."""
        self._predictor = Predictor(load_bundle(Path(context.artifacts["served"])))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Floats:
        """Return the predicted rating of each row."""
        return self._predictor.predict(
            model_input["user_id"].tolist(), model_input["item_id"].tolist()
        )


set_model(RatingModel())

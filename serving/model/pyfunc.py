"""The served model as MLflow sees it: models-from-code, no pickle.

MLflow runs this file when it loads the model; `set_model` at the end names the instance.
"""

import warnings
from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc import PythonModel, PythonModelContext
from pydantic import ValidationError

from serving.model.bundle import Bundle, identify
from serving.model.classify import classify, warm_up
from serving.model.schema import Options, explain

ARTIFACT = "bundle"

# The hint list[Any] is meant: with a narrower one MLflow would refuse a whole request for one item
# of a wrong type. Its warning is recorded, because it sets a filter of its own before it warns.
with warnings.catch_warnings(record=True):

    class CraterModel(PythonModel):  # type: ignore[misc]
        """Embed and classify crater crops; `serving.model.schema` defines items and answers."""

        def load_context(self, context: PythonModelContext) -> None:
            """Load the bundle and find out which model this is."""
            folder = Path(context.artifacts[ARTIFACT])
            self.bundle = Bundle.load(folder)
            self.identity = identify(folder)
            warm_up(self.bundle)

        def predict(
            self, model_input: list[Any], params: dict[str, Any] | None = None
        ) -> list[dict[str, Any]]:
            """Answer a list of crops; each item gets its answer or its own error."""
            if not model_input:
                raise mlflow.MlflowException.invalid_parameter_value(
                    '\'inputs\' is empty: send at least one {"image": "<base64>"}.'
                )
            try:
                options = Options(**(params or {}))
            except ValidationError as error:
                raise mlflow.MlflowException.invalid_parameter_value(explain(error)) from None
            answers = classify(self.bundle, model_input, model=self.identity, options=options)
            return [answer.model_dump() for answer in answers]


mlflow.models.set_model(CraterModel())

"""Define the MLflow pyfunc of the served model: models from code, no pickle.

MLflow runs this file when it loads the model; `set_model` at the end names the instance.
"""

import warnings
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext
from pydantic import ValidationError

from serving.model.bundle import Bundle, identify
from serving.model.classify import classify, warm_up
from serving.model.crop_input import read_input
from serving.model.schema import Options, explain
from serving.model.table import NO_TABLE, no_such_column, table

ARTIFACT = "bundle"

# Without type hints and without a signature of the input MLflow hands on whatever was sent, table
# or list, and one item of a wrong type does not fail a whole request. It warns of the missing
# hints; the warning is recorded, because MLflow sets a filter of its own before it warns.
with warnings.catch_warnings(record=True):

    class CraterModel(PythonModel):  # type: ignore[misc]
        """Embed and classify crater crops; `serving.model.schema` defines items and answers."""

        def load_context(self, context: PythonModelContext) -> None:
            """Load the bundle and find out which model this is."""
            folder = Path(context.artifacts[ARTIFACT])
            self.bundle = Bundle.load(folder)
            self.identity = identify(folder)
            self.column = str((context.model_config or {}).get("column", ""))
            warm_up(self.bundle)

        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            """Answer crops; each item gets its answer or its own error.

            Args:
                context: MLflow's; not used.
                model_input: a list of items; or a table (DataFrame) with a column `image` and,
                    if wanted, those of `CropHints`.
                params: `Options`.

            Returns:
                A list of `CropAnswer` as plain values; for a table, a DataFrame with one flat row
                for each of its rows, or the one column that ``params["column"]`` names, or the
                ``model_config`` with which the model was loaded.
            """
            try:
                asked = read_input(model_input)
                options = Options(**(params or {}))
            except ValidationError as error:
                raise mlflow.MlflowException.invalid_parameter_value(explain(error)) from None
            except ValueError as error:
                raise mlflow.MlflowException.invalid_parameter_value(str(error)) from None
            if options.column and not asked.table:
                raise mlflow.MlflowException.invalid_parameter_value(NO_TABLE)
            if not asked.items:
                raise mlflow.MlflowException.invalid_parameter_value(
                    '\'inputs\' is empty: send at least one {"image": "<base64>"}.'
                )
            answers = classify(self.bundle, asked.items, model=self.identity, options=options)
            plain = [answer.model_dump() for answer in answers]
            if not asked.table:
                return plain
            rows = pd.DataFrame(table(plain))
            column = options.column or self.column
            if not column:
                return rows
            if column not in rows:
                raise mlflow.MlflowException.invalid_parameter_value(no_such_column(map(str, rows)))
            return rows[column]


mlflow.models.set_model(CraterModel())

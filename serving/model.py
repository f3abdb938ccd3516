"""The served model as MLflow sees it: models-from-code, no pickle.

MLflow runs this file when it loads the model; `set_model` at the end names the instance.
"""

from pathlib import Path
from typing import Any

import mlflow
import yaml
from mlflow.pyfunc import PythonModel, PythonModelContext

from serving.bundle import Bundle
from serving.classify import classify
from serving.schema import CropRequest, ModelAnswer

ARTIFACT = "bundle"
_REGISTERED = "registered_model_meta"
"""Where MLflow notes name and version of a model loaded from the registry."""


class CraterModel(PythonModel):  # type: ignore[misc]
    """Embeds and classifies crater crops."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle and find out which model this is."""
        folder = Path(context.artifacts[ARTIFACT])
        self.bundle = Bundle.load(folder)
        self.identity = _identity(folder)

    def predict(
        self, model_input: list[CropRequest], params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Answer a list of crops; each item gets its answer or its own error."""
        if not model_input:
            raise mlflow.MlflowException.invalid_parameter_value(
                '\'inputs\' is empty: send at least one {"image": "<base64>"}.'
            )
        answers = classify(self.bundle, model_input, model=self.identity)
        return [answer.model_dump() for answer in answers]


def _identity(bundle_folder: Path) -> ModelAnswer:
    """Name, version and id, from the files that MLflow keeps beside the artifacts."""
    for folder in bundle_folder.parents:
        if (folder / "MLmodel").is_file():
            model_id = yaml.safe_load((folder / "MLmodel").read_text()).get("model_id")
            meta = folder / _REGISTERED
            registered = yaml.safe_load(meta.read_text()) if meta.is_file() else {}
            version = registered.get("model_version")
            return ModelAnswer(
                name=registered.get("model_name"),
                version=None if version is None else str(version),
                model_id=model_id,
            )
    return ModelAnswer(name=None, version=None, model_id=None)


mlflow.models.set_model(CraterModel())

"""The file that MLflow runs to make a registered model: `remodal predict` behind its interface.

It is stored beside the weights as it is ("models from code"): nothing is pickled.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from remodal.errors import RemodalError
from remodal.models.model_files import read_description
from remodal.prediction.patient import predict_patient


class ServedModel(PythonModel):
    """Segments patients, one per row: a path for each available modality, and an output path."""

    def load_context(self, context: Any) -> None:
        """Find the weights and their description, which lie in one folder."""
        self._folder = Path(context.artifacts["description"]).parent
        self._modalities = read_description(self._folder)["modalities"]

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Segment each row's patient and write the segmentation.

        Args:
            context: unused; MLflow's.
            model_input: a column per modality (DICOM folder or image file; empty: missing) and
                `output` (file to write, in a format of `remodal predict`).
            params: unused; MLflow's.

        Returns:
            `output`: the file that was written, row by row.

        Raises:
            MlflowException: a row cannot be segmented; it says why in one line. The rows before it
                have been written.
        """
        for number, row in enumerate(model_input.to_dict("records"), 1):
            images = {
                name: Path(row[name])
                for name in self._modalities
                if isinstance(row.get(name), str) and row[name]
            }
            try:
                predict_patient(self._folder, images, Path(row["output"]))
            except RemodalError as error:
                raise MlflowException.invalid_parameter_value(f"row {number}: {error}") from error
        return model_input[["output"]]


set_model(ServedModel())

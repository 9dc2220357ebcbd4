"""The model on ONNX Runtime inside Triton's Python backend, for servers that have no ONNX Runtime backend.

Triton loads this file, not Tocsin: it may import only what the server's own environment carries.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

# The interpreter inside the server ignores PYTHONPATH, and the backend's own utilities need NumPy already.
if packages := os.environ.get("MODEL_SITE_PACKAGES"):
    sys.path.insert(0, packages)

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

Inputs = dict[str, NDArray[np.int64]]


class TritonPythonModel:
    """One instance of the model; Triton calls its methods by name."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load ``model.onnx`` of this version, for the device of this instance."""
        config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(config["parameters"]["intra_op_thread_count"]["string_value"])
        options.log_severity_level = 4  # an input that is refused is told to its client
        # Threads that wait actively take the cores from the services beside them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        providers: list[Any] = ["CPUExecutionProvider"]
        if args["model_instance_kind"] == "GPU":
            providers = [("CUDAExecutionProvider", {"device_id": int(args["model_instance_device_id"])})]
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        found = self._session.get_providers()
        if args["model_instance_kind"] == "GPU" and "CUDAExecutionProvider" not in found:
            raise pb_utils.TritonModelException(f"this ONNX Runtime knows no GPU, only {', '.join(found)}")
        self._inputs = [entry["name"] for entry in config["input"]]
        self._outputs = [entry["name"] for entry in config["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        """One answer per request. What the batcher brings together is of one length and computed as one batch."""
        inputs = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
            for request in requests
        ]
        try:
            return self._answers(inputs)
        except InvalidArgument:
            # One request holds what the model cannot read: the others were merged with it by chance.
            return [self._answer_alone(single) for single in inputs]

    def _answers(self, inputs: list[Inputs]) -> list[Any]:
        merged = {name: np.concatenate([single[name] for single in inputs]) for name in self._inputs}
        outputs = self._session.run(self._outputs, merged)
        ends = np.cumsum([len(single[self._inputs[0]]) for single in inputs])[:-1]
        split = zip(*(np.split(output, ends) for output in outputs), strict=True)
        return [self._response(rows) for rows in split]

    def _answer_alone(self, inputs: Inputs) -> Any:
        try:
            return self._answers([inputs])[0]
        except InvalidArgument as error:
            return pb_utils.InferenceResponse(
                error=pb_utils.TritonError(f"the model refuses this input: {error}", pb_utils.TritonError.INVALID_ARG)
            )

    def _response(self, rows: tuple[NDArray[np.float32], ...]) -> Any:
        tensors = [pb_utils.Tensor(name, values) for name, values in zip(self._outputs, rows, strict=True)]
        return pb_utils.InferenceResponse(output_tensors=tensors)

"""A model inside Triton's Python backend that answers at once, and goes wrong when it is told to.

A text is negative where it holds one of the tokens in ``negative.json`` beside this file, else neutral or positive, as its
other tokens will have it; so its labels depend on nothing but itself. ``fault.json`` beside the repository names a fault:

| fault | does |
| --- | --- |
| slow | waits for `seconds` before each answer |
| nan | probabilities that are no numbers |
| shape | a row too few |
| refuse | refuses every request that holds a text with one of the `tokens` |
| neighbours | a text among others that is negative makes all of them so |
"""

import json
import os
import sys
import time
from pathlib import Path

# The interpreter inside the server ignores PYTHONPATH, and the backend's own utilities need NumPy already.
sys.path.insert(0, os.environ["MODEL_SITE_PACKAGES"])

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        repository = Path(args["model_repository"])
        version = repository / args["model_version"]
        self._negative = np.array(json.loads((version / "negative.json").read_text()), np.int64)
        self._fault = repository.parent.parent / "fault.json"

    def execute(self, requests):
        fault = json.loads(self._fault.read_text()) if self._fault.exists() else {"kind": ""}
        if fault["kind"] == "slow":
            time.sleep(fault["seconds"])
        return [
            self._answer(
                pb_utils.get_input_tensor_by_name(request, "input_ids").as_numpy(),
                fault,
                request.requested_output_names(),
            )
            for request in requests
        ]

    def _answer(self, ids, fault, wanted):
        if fault["kind"] == "refuse" and np.isin(ids, fault["tokens"]).any():
            error = pb_utils.TritonError("a token that I do not know", pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(error=error)
        sums = ids.sum(axis=1)
        label = 1 + sums % 2
        label[np.isin(ids, self._negative).any(axis=1)] = 0
        if fault["kind"] == "neighbours" and (label == 0).any():
            label[:] = 0
        sentiment = np.full((len(ids), 3), 0.05, np.float32)
        sentiment[np.arange(len(ids)), label] = 0.9
        topic = np.full((len(ids), 20), 0.01, np.float32)
        topic[np.arange(len(ids)), sums % 20] = 0.81
        if fault["kind"] == "nan":
            sentiment[:] = np.nan
        if fault["kind"] == "shape":
            sentiment = sentiment[:-1]
        tensors = [pb_utils.Tensor("p_sentiment", sentiment), pb_utils.Tensor("p_topic", topic)]
        if "p_company" in wanted:
            tensors.append(pb_utils.Tensor("p_company", np.repeat(sentiment[:, None], ids.shape[1], axis=1)))
        return pb_utils.InferenceResponse(output_tensors=tensors)

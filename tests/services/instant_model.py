"""A model that answers at once, inside Triton's Python backend: what enrich does beside the model can be measured.

A text's labels follow from its tokens. Texts with the token `REFUSED` are refused, as a real model refuses tokens
that it does not know.
"""

import os
import sys

# The interpreter inside the server ignores PYTHONPATH, and the backend's own utilities need NumPy already.
sys.path.insert(0, os.environ["MODEL_SITE_PACKAGES"])

import numpy as np
import triton_python_backend_utils as pb_utils

REFUSED = -1
"""No token has this number: whoever wants one refused writes its number here."""


class TritonPythonModel:
    def execute(self, requests):
        return [
            self._answer(pb_utils.get_input_tensor_by_name(r, "input_ids").as_numpy(), r.requested_output_names())
            for r in requests
        ]

    def _answer(self, ids, wanted):
        if (ids == REFUSED).any():
            return pb_utils.InferenceResponse(
                error=pb_utils.TritonError("a token that I do not know", pb_utils.TritonError.INVALID_ARG)
            )
        sums = ids.sum(axis=1)
        sentiment = np.full((len(ids), 3), 0.05, np.float32)
        sentiment[np.arange(len(ids)), sums % 3] = 0.9
        topic = np.full((len(ids), 20), 0.01, np.float32)
        topic[np.arange(len(ids)), sums % 20] = 0.81
        tensors = [pb_utils.Tensor("p_sentiment", sentiment), pb_utils.Tensor("p_topic", topic)]
        if "p_company" in wanted:
            tensors.append(pb_utils.Tensor("p_company", np.repeat(sentiment[:, None], ids.shape[1], axis=1)))
        return pb_utils.InferenceResponse(output_tensors=tensors)

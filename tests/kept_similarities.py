"""The audio run of a model with nothing measured: the raw and centred similarities of each layer are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from alas_metric.document.similarity import similarities
from model_patches.adapters.capture import LayerVectors


class KeptSimilarities(LayerVectors):
    """`LayerVectors` whose receivers keep similarities."""

    def __init__(
        self, positions: Sequence[torch.Tensor], vectors: list[list[torch.Tensor]], check: bool = False
    ) -> None:
        self.kept: list[list[torch.Tensor]] = [[] for _ in positions]
        super().__init__(positions, vectors, [self._keep_in(row) for row in self.kept], check=check)

    @staticmethod
    def _keep_in(row: list[torch.Tensor]):
        return lambda _layer, words, frames: row.append(similarities(words, frames).cpu())

    def of_row(self, row: int) -> np.ndarray:
        """Return the similarities of one document, shape ``(layers + 1, 2, words, positions)``."""
        return torch.stack(self.kept[row]).numpy()

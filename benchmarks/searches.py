"""Monotonic alignment search in NumPy, as scripts without a compiled search do it; a baseline of the benchmarks."""

from __future__ import annotations

import numpy as np


def numpy_loop(similarity: np.ndarray) -> np.ndarray:
    """Return the path of one similarity (N, T) with ``N <= T``: a loop over positions, NumPy over words.

    After Glow-TTS's ``maximum_path``; sums in float32, ties as in `alas_metric.monotonic_alignment_search`.
    """
    values = np.asarray(similarity, dtype=np.float32)
    values = values - values.max(axis=0)
    rows, columns = values.shape
    best = np.full(rows, -np.inf, dtype=np.float32)
    best[0] = 0.0
    stays = np.zeros((rows, columns), dtype=bool)
    for column in range(columns):
        before = np.concatenate([[-np.inf], best[:-1]]).astype(np.float32)
        if column == 0:
            before[:], best[1:] = -np.inf, -np.inf
        stays[:, column] = best >= before
        best = np.maximum(best, before) + values[:, column]
    path = np.zeros(columns, dtype=np.int32)
    row = rows - 1
    for column in range(columns - 1, -1, -1):
        path[column] = row
        if row and (row == column or not stays[row, column]):
            row -= 1
    return path

"""What Gram matrices of a document's words have in common beyond the positions of the words.

Vectors that stand near to each other in a prompt resemble each other, and the first ones differ from the later ones,
whatever they hold: position looks like position in every modality. So two things are taken out of each matrix, in
closed form, as a partial correlation does:

- *trend*: the regression of the vectors on 1, t and t squared, t being the word's number;
- *distance*: of what is left, everything that depends on nothing but how far apart two words stand.

Where the vectors of a modality are such a trend and a sequence of which each part looks like any other (a stationary
one), and know nothing of the other modality, the inner product of what is left is 0 in expectation, exactly, for any
number of words. A third matrix can be taken out of both afterwards, see `without`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

FEWEST = 6
"""Words; of fewer next to nothing is left."""
_DEGREE = 2
_ZERO = 1e-10
"""Relative size below which an eigenvalue, or what is left of a matrix, is rounding."""


@dataclass(frozen=True, eq=False)
class _Position:
    """What depends on the number N of words alone.

    T_l is the matrix that is 1 where two words stand l apart, else 0; Q is an orthonormal basis of the trend.

    Args:
        trend: Q, ``(N, 3)``.
        order: the entries of an N x N matrix by the distance of their words, ``(N * N,)``.
        starts: where each distance begins there, ``(N,)``.
        moved: T_l Q of each l, ``(N, N * 3)``.
        within: Q' T_l Q of each l, ``(N, 9)``.
        inverse: of the inner products of all T_l without trend, ``(N, N)``.
    """

    trend: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    moved: np.ndarray
    within: np.ndarray
    inverse: np.ndarray


def beyond_position(grams: npt.ArrayLike) -> np.ndarray:
    """Return the inner products of what is left of Gram matrices without trend and distance, each with each.

    Args:
        grams: shape ``(..., M, N, N)``, N >= `FEWEST`.

    Returns:
        Shape ``(..., M, M)``.

    Example:
        >>> near = np.exp(-np.abs(np.subtract.outer(np.arange(8), np.arange(8))))
        >>> abs(beyond_position([near, np.outer(range(8), range(8))])).max() < 1e-12
        True
    """
    values = np.asarray(grams, np.float64)
    position = _position(values.shape[-1])
    moved = values @ position.trend
    within = position.trend.T @ moved
    whole, moved, within = (each.reshape(*values.shape[:-2], -1) for each in (values, moved, within))
    by_distance = np.add.reduceat(whole[..., position.order], position.starts, axis=-1)
    by_distance += within @ position.within.T - 2 * moved @ position.moved.T
    explained = by_distance @ position.inverse @ _turned(by_distance)
    return np.asarray(whole @ _turned(whole) - 2 * moved @ _turned(moved) + within @ _turned(within) - explained)


def _turned(values: np.ndarray) -> np.ndarray:
    return np.swapaxes(values, -1, -2)


def without(products: np.ndarray) -> np.ndarray:
    """Return inner products after the last matrix was taken out of all others; nothing changes where it is 0.

    Args:
        products: shape ``(..., M, M)``, see `beyond_position`.

    Returns:
        Shape ``(..., M - 1, M - 1)``.

    Example:
        >>> without(np.array([[2.0, 1.0], [1.0, 1.0]])).tolist()
        [[1.0]]
    """
    rest, last, own = products[..., :-1, :-1], products[..., :-1, -1], products[..., -1, -1]
    share = np.divide(1, own, where=own > _ZERO, out=np.zeros_like(own))
    return np.asarray(rest - last[..., :, None] * last[..., None, :] * share[..., None, None])


@lru_cache(maxsize=16)
def _position(count: int) -> _Position:
    """Return what `beyond_position` needs for a number of words.

    With R = 1 - Q Q' the inner product of matrices K and L without trend is
    <R K R, R L R> = <K, L> - 2 <K Q, L Q> + <Q' K Q, Q' L Q>.
    """
    trend = np.linalg.qr(np.vander(np.linspace(-1, 1, count), _DEGREE + 1))[0]
    distances = np.abs(np.subtract.outer(np.arange(count), np.arange(count))).ravel()
    order = np.argsort(distances, kind="stable")
    starts = np.searchsorted(distances[order], np.arange(count))
    padded = np.pad(trend, ((count, count), (0, 0)))
    here, distance = count + np.arange(count), np.arange(count)[:, None]
    moved = padded[here + distance] + padded[here - distance]
    moved[0] /= 2
    within = (trend.T @ moved).reshape(count, -1)
    moved = moved.reshape(count, -1)
    products = np.diag(np.bincount(distances)) - 2 * moved @ moved.T + within @ within.T
    inverse = np.linalg.pinv(products, rcond=_ZERO, hermitian=True)
    return _Position(trend, order, starts, moved, within, inverse)

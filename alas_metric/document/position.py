"""What Gram matrices of a document's words have in common beyond the positions of the words.

Vectors that stand near to each other in a prompt resemble each other, and the first ones differ from the later ones,
whatever they hold: position looks like position in every modality. So two things are taken out of each matrix, in
closed form, as a partial correlation does:

- *trend*: the regression of the vectors on 1, t and t squared, t being the word's number;
- *distance*: of what is left, everything that depends on nothing but how far apart two words stand.

Where the vectors of a modality are such a trend and a sequence of which each part looks like any other (a stationary
one), and know nothing of the other modality, the inner product of what is left is 0 in expectation, exactly, for any
number of words. A third matrix, of equal words say, is taken out of both in the same way.
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
        entries: the entries of an N x N matrix on and above its diagonal, by the distance of their words.
        starts: where each distance begins there, ``(N,)``.
        moved: T_l Q of each l, ``(N, N * 3)``.
        within: Q' T_l Q of each l, ``(N, 9)``.
        inverse: of the inner products of all T_l without trend, ``(N, N)``.
    """

    trend: np.ndarray
    entries: np.ndarray
    starts: np.ndarray
    moved: np.ndarray
    within: np.ndarray
    inverse: np.ndarray


def beyond_position(grams: npt.ArrayLike, other: np.ndarray | None = None) -> np.ndarray:
    """Return the inner products of what is left of Gram matrices without trend and distance, each with each.

    Args:
        grams: shape ``(..., M, N, N)``, N >= `FEWEST`.
        other: what is left of a matrix that is taken out of all of them too, see `left_of`.

    Returns:
        Shape ``(..., M, M)``.

    Example:
        >>> near = np.exp(-np.abs(np.subtract.outer(np.arange(8), np.arange(8))))
        >>> bool(abs(beyond_position([near, np.outer(range(8), range(8))])).max() < 1e-12)
        True
    """
    values = np.asarray(grams, np.float64)
    position = _position(values.shape[-1])
    whole, moved, within, by_distance = _parts(values, position)
    products = whole @ _turned(whole) - 2 * moved @ _turned(moved) + within @ _turned(within)
    products -= by_distance @ position.inverse @ _turned(by_distance)
    if other is None:
        return np.asarray(products)
    shares = whole @ other.ravel()
    return np.asarray(products - shares[..., :, None] * shares[..., None, :] / (other * other).sum())


def _parts(values: np.ndarray, position: _Position) -> tuple[np.ndarray, ...]:
    """Return matrices K as K, K Q, Q' K Q and <T_l, K without trend> of each l, each ``(..., entries)``."""
    moved = values @ position.trend
    within = position.trend.T @ moved
    whole, moved, within = (each.reshape(*values.shape[:-2], -1) for each in (values, moved, within))
    by_distance = np.add.reduceat(whole[..., position.entries], position.starts, axis=-1)
    by_distance[..., 1:] *= 2
    by_distance += within @ position.within.T - 2 * moved @ position.moved.T
    return whole, moved, within, by_distance


def left_of(matrix: npt.ArrayLike) -> np.ndarray | None:
    """Return what is left of a symmetric matrix without trend and distance, None where nothing is.

    Args:
        matrix: shape ``(N, N)``, N >= `FEWEST`.
    """
    values = np.asarray(matrix, np.float64)
    count = len(values)
    position = _position(count)
    explained = position.inverse @ _parts(values, position)[-1]
    residual = np.eye(count) - position.trend @ position.trend.T
    left = residual @ (values - explained[_distances(count)]) @ residual
    return left if np.abs(left).max() > _ZERO else None


def _distances(count: int) -> np.ndarray:
    return np.abs(np.subtract.outer(np.arange(count), np.arange(count)))


def _turned(values: np.ndarray) -> np.ndarray:
    return np.swapaxes(values, -1, -2)


@lru_cache(maxsize=16)
def _position(count: int) -> _Position:
    """Return what `beyond_position` needs for a number of words.

    With R = 1 - Q Q' the inner product of matrices K and L without trend is
    <R K R, R L R> = <K, L> - 2 <K Q, L Q> + <Q' K Q, Q' L Q>.
    """
    trend = np.linalg.qr(np.vander(np.linspace(-1, 1, count), _DEGREE + 1))[0]
    distances = _distances(count)
    above = np.flatnonzero(np.triu(np.ones((count, count))))
    entries = above[np.argsort(distances.ravel()[above], kind="stable")]
    starts = np.searchsorted(distances.ravel()[entries], np.arange(count))
    padded = np.pad(trend, ((count, count), (0, 0)))
    here, distance = count + np.arange(count), np.arange(count)[:, None]
    moved = padded[here + distance] + padded[here - distance]
    moved[0] /= 2
    within = (trend.T @ moved).reshape(count, -1)
    moved = moved.reshape(count, -1)
    products = np.diag(np.bincount(distances.ravel())) - 2 * moved @ moved.T + within @ within.T
    inverse = np.linalg.pinv(products, rcond=_ZERO, hermitian=True)
    return _Position(trend, entries, starts, moved, within, inverse)

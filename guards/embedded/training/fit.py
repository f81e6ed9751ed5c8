"""Weighted, regularised linear fits on sparse features."""

import numpy as np
import scipy.optimize as optimize
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

Vector = NDArray[np.float64]

MIN_ROWS = 3
"""Buckets seen in fewer windows get weight zero."""


def balanced(labels: NDArray[np.bool_], weights: Vector) -> Vector:
    """Scale weights so that both classes have the same total and all sum to one."""
    result = np.empty_like(weights)
    for side in (labels, ~labels):
        result[side] = 0.5 * weights[side] / weights[side].sum()
    return result


def fit_binary(
    matrix: sparse.csr_matrix, labels: NDArray[np.bool_], weights: Vector, l2: float
) -> tuple[Vector, float]:
    """Weighted logistic regression; returns coefficients (BUCKETS,) and bias.

    The loss is the weighted mean of the log-loss plus ``l2 / 2`` times the squared norm of the
    coefficients; the bias is free.
    """
    columns = _active(matrix)
    part = matrix[:, columns].astype(np.float64)
    transposed = part.T.tocsr()
    sign = np.where(labels, 1.0, -1.0)

    def loss(theta: Vector) -> tuple[float, Vector]:
        margin = sign * (part @ theta[:-1] + theta[-1])
        slope = -sign * weights * expit(-margin)
        gradient = np.empty_like(theta)
        gradient[:-1] = transposed @ slope + l2 * theta[:-1]
        gradient[-1] = slope.sum()
        value = float(weights @ np.logaddexp(0.0, -margin)) + l2 / 2 * float(
            theta[:-1] @ theta[:-1]
        )
        return value, gradient

    theta = _minimise(loss, len(columns) + 1)
    coefficients = np.zeros(matrix.shape[1])
    coefficients[columns] = theta[:-1]
    return coefficients, float(theta[-1])


def fit_softmax(
    matrix: sparse.csr_matrix, classes: NDArray[np.int64], count: int, weights: Vector, l2: float
) -> tuple[Vector, Vector]:
    """Weighted multinomial regression; coefficients (BUCKETS, count) and biases (count,)."""
    columns = _active(matrix)
    part = matrix[:, columns].astype(np.float64)
    transposed = part.T.tocsr()
    target = np.zeros((len(classes), count))
    target[np.arange(len(classes)), classes] = 1.0
    size = len(columns) * count

    def loss(theta: Vector) -> tuple[float, Vector]:
        coefficients = theta[:size].reshape(len(columns), count)
        logits = part @ coefficients + theta[size:]
        normal = logsumexp(logits, axis=1)
        chosen = (logits * target).sum(axis=1)
        slope = (np.exp(logits - normal[:, None]) - target) * weights[:, None]
        gradient = np.concatenate(
            ((transposed @ slope + l2 * coefficients).ravel(), slope.sum(axis=0))
        )
        value = float(weights @ (normal - chosen)) + l2 / 2 * float(theta[:size] @ theta[:size])
        return value, gradient

    theta = _minimise(loss, size + count, iterations=40)
    result = np.zeros((matrix.shape[1], count))
    result[columns] = theta[:size].reshape(len(columns), count)
    return result, theta[size:]


def _active(matrix: sparse.csr_matrix) -> NDArray[np.int64]:
    used = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return np.flatnonzero(used >= MIN_ROWS)


def _minimise(loss: object, size: int, iterations: int = 90) -> Vector:
    options = {"maxiter": iterations, "maxcor": 8}
    result = optimize.minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B", options=options)
    solution: Vector = result.x
    return solution

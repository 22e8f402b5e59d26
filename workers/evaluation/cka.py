"""Linear centred kernel alignment of two representations of the same samples."""

from torch import Tensor


def linear_cka(first: Tensor, second: Tensor) -> float | None:
    """Representations (n, d) and (n, e) -> 0 (unrelated) to 1 (equal up to rotation and scale).

    ||Y'X||^2 / (||X'X|| ||Y'Y||) in the Frobenius norm, with columns centred (Kornblith et al.,
    ICML 2019, arXiv 1905.00414). None if one of them is constant, as any set of one sample is.
    """
    x = first.double() - first.double().mean(dim=0)
    y = second.double() - second.double().mean(dim=0)
    size = (x.T @ x).norm() * (y.T @ y).norm()
    if float(size) == 0.0:
        return None
    return float((y.T @ x).norm().square() / size)

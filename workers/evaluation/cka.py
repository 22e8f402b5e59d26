"""Linear centred kernel alignment of two representations of the same samples."""

from math import exp

from torch import Tensor

from workers.statistics.intervals import Z


def linear_cka(first: Tensor, second: Tensor) -> tuple[float, float, float] | None:
    """Representations (n, d) and (n, e) -> 0 (unrelated) to 1 (equal up to rotation and scale).

    ||Y'X||^2 / (||X'X|| ||Y'Y||) in the Frobenius norm, with columns centred (Kornblith et al.,
    ICML 2019, arXiv 1905.00414), and its 95 % interval. None if one of them is constant, as any set
    of one sample is.

    The interval is that of the infinitesimal jackknife (Efron, The Jackknife, the Bootstrap and
    Other Resampling Plans, 1982, chapter 6) for the logarithm: the three products are sums over the
    samples, and how the figure moves with the weight of each sample is known in closed form.
    """
    x = first.double() - first.double().mean(dim=0)
    y = second.double() - second.double().mean(dim=0)
    across, mine, their = x.T @ y, x.T @ x, y.T @ y
    size = mine.norm() * their.norm()
    if float(size) == 0.0:
        return None
    shared = across.norm().square()
    found = min(1.0, float(shared / size))
    if found == 0.0:
        return 0.0, 0.0, 1.0
    influence = (
        2.0 * ((x @ across) * y).sum(dim=1) / shared
        - ((x @ mine) * x).sum(dim=1) / mine.norm().square()
        - ((y @ their) * y).sum(dim=1) / their.norm().square()
    )
    factor = exp(Z * float(influence.norm()))
    return found, found / factor, min(1.0, found * factor)

"""Numbers that networks are given: float32 in the end, whatever the files hold."""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# From here on float32 has no room for every integer.
MOST = 2**24
LARGEST = float(np.finfo(np.float32).max)


def are(kind: pa.DataType) -> bool:
    """Whether such values are numbers, or booleans, which are 0 and 1."""
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def type_of(kind: pa.DataType) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
    return found


def common(kinds: Collection[np.dtype[Any]]) -> np.dtype[Any]:
    """The narrowest type for all of them."""
    found: np.dtype[Any] = np.result_type(*kinds)
    return found


def go_together(kinds: Collection[np.dtype[Any]]) -> bool:
    """Whether one type holds the numbers of all of them unchanged.

    Types of which any two go together do so all at once.
    """
    return all(_unchanged(kind, common(kinds)) for kind in kinds)


def _unchanged(kind: np.dtype[Any], wide: np.dtype[Any]) -> bool:
    # NumPy calls int64 to float64 safe, and it is not above 2**53.
    if kind.kind in "iu" and wide.kind == "f":
        bits = np.iinfo(kind).bits - (kind.kind == "i")
        return bits <= np.finfo(wide).nmant + 1
    return np.can_cast(kind, wide, "safe")


def unusable(values: npt.NDArray[Any], scale: float) -> tuple[npt.NDArray[np.int64], str]:
    """The positions of those in `values` (n,) that float32 cannot hold, and why not.

    That a fraction is rounded is how networks compute. Refused is what is another number
    afterwards: infinite ones, and integers that become their neighbours.
    """
    nothing = np.empty(0, np.int64)
    if values.dtype.kind == "b" or not len(values):
        return nothing, ""
    least, most = float(values.min()), float(values.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        return np.flatnonzero(~np.isfinite(values)), "holds a number that is not finite"
    if values.dtype.kind in "iu" and max(-least, most) > MOST:
        wrong = (values > MOST) | (values < -MOST if values.dtype.kind == "i" else False)
        return np.flatnonzero(wrong), (
            f"holds an integer beyond {MOST:,}, which float32 does not tell from its neighbours,"
        )
    limit = LARGEST / max(1.0, abs(scale))
    if max(-least, most) > limit:
        wrong = np.abs(values.astype(np.float64)) > limit
        return np.flatnonzero(wrong), "holds a number that is too large for float32"
    return nothing, ""

#!/usr/bin/env bash
# pyarrow: a fixed-shape tensor whose permutation is not its own inverse comes back as other numbers.
#
# Versions:  pyarrow 26.0.1, numpy 2.4.6, Python 3.11
# Expected:  Arrow's format says that axis i of a tensor is axis permutation[i] of what is stored. So
#            from_numpy_ndarray(a) followed by to_numpy_ndarray() gives `a` back, and to_numpy_ndarray()
#            of a stored tensor is its memory, transposed by the permutation.
# Behaviour: for images with the channels put first (a view of memory in the order rows, columns,
#            channels) from_numpy_ndarray writes the inverse permutation, and to_numpy_ndarray takes the
#            strides of one and the shape of the other: numbers are repeated and left out, silently.
#            Permutations of two axes are right, for they are their own inverses.
# Output:    written by pyarrow: permutation [1, 2, 0], and the format asks for [2, 0, 1]
#            the same numbers come back: False
#            a tensor by the format is read as the format says: False
#            with two axes exchanged: True
# Exits with another status than 0 if any of this changes.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet pyarrow==26.0.1 numpy==2.4.6
"$place/venv/bin/python" - <<'END'
import numpy as np
import pyarrow as pa

images = np.arange(24).reshape(1, 2, 3, 4)  # rows, columns, channels
first = images.transpose(0, 3, 1, 2)  # channels, rows, columns

column = pa.FixedShapeTensorArray.from_numpy_ndarray(first)
back = np.array_equal(column.to_numpy_ndarray(), first)
print(
    f"written by pyarrow: permutation {list(column.type.permutation)}, and the format asks for "
    "[2, 0, 1]"
)
print("the same numbers come back:", back)


def read(permutation):
    kind = pa.fixed_shape_tensor(pa.int64(), (2, 3, 4), permutation=permutation)
    storage = pa.array(images.reshape(1, 24).tolist(), kind.storage_type)
    held = pa.ExtensionArray.from_storage(kind, storage)
    wanted = images.transpose(0, *(axis + 1 for axis in permutation))
    return np.array_equal(held.to_numpy_ndarray(), wanted)


by_format, exchanged = read([2, 0, 1]), read([1, 0, 2])
print("a tensor by the format is read as the format says:", by_format)
print("with two axes exchanged:", exchanged)
written = list(column.type.permutation)
raise SystemExit((written, back, by_format, exchanged) != ([1, 2, 0], False, False, True))
END

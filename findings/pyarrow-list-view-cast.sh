#!/usr/bin/env bash
# pyarrow: a cast of a list view to a list loses the lists that come after a null.
#
# Versions:  pyarrow 26.0.1, Python 3.11
# Expected:  a safe cast between two layouts of the same lists gives the same lists, or an error.
# Behaviour: the list after a null comes out empty. Nothing is raised. `flatten()` of the view is
#            right.
# Output:    [[1, 2], None, [3]] cast to a list: [[1, 2], None, []]
#            its values by flatten(): [1, 2, 3]
# Exits with another status than 0 if any of this changes.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet pyarrow==26.0.1
"$place/venv/bin/python" - <<'END'
import pyarrow as pa

views = pa.array([[1, 2], None, [3]], pa.list_view(pa.int16()))
cast = views.cast(pa.list_(pa.int16())).to_pylist()
print(f"{views.to_pylist()} cast to a list: {cast}")
print("its values by flatten():", views.flatten().to_pylist())
raise SystemExit(cast != [[1, 2], None, []] or views.flatten().to_pylist() != [1, 2, 3])
END

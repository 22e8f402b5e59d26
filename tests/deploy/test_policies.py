"""The documents list every field of a policy, with its default."""

import json
import re
from pathlib import Path

from service.core.policy import Policy

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"^\| `(\w+)` \| (\S+) \| ", re.MULTILINE)


def test_the_table_of_policies_is_what_the_code_reads() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    table = text.split("| `policy` | default | meaning |\n")[1].split("\n\n")[0]

    listed = [(name, default.strip("`")) for name, default in ROW.findall(table)]

    fields = Policy().model_dump()
    assert listed == [(name, json.dumps(value).strip('"')) for name, value in fields.items()]

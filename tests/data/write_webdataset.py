"""Writes `webdataset/`; run in an environment with webdataset alone, from the repository's root."""

from pathlib import Path

import webdataset

PLACE = Path("tests/data/webdataset")


def main() -> None:
    """One archive with two samples."""
    PLACE.mkdir(exist_ok=True)
    with webdataset.TarWriter(str(PLACE / "train-000000.tar")) as archive:
        for number in range(2):
            archive.write({"__key__": f"s-{number}", "txt": f"to be {number}"})


if __name__ == "__main__":
    main()

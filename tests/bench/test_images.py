"""Fewer training samples for a quick look are like all of them."""

import numpy as np
import pytest

from bench.unlearning.images import digits, stratified


@pytest.mark.parametrize("rows", [1, 10, 137, 400])
def test_each_class_has_its_share_of_a_few_rows(rows: int) -> None:
    labels = np.repeat(np.arange(10), np.arange(20, 120, 10))

    chosen = stratified(labels, rows)

    assert len(chosen) == len(set(chosen)) == rows
    assert np.array_equal(chosen, np.sort(chosen))
    wanted = rows * np.bincount(labels) / len(labels)
    found = np.bincount(labels[chosen], minlength=10)
    # Shares are rounded down, and at most nine rows are missing then.
    assert (found >= np.floor(wanted)).all()
    assert (found <= np.floor(wanted) + 9).all()


def test_they_are_always_the_same_and_are_drawn_from_everywhere() -> None:
    images = digits()

    few = images.some(300)

    assert np.array_equal(few.train.images, images.some(300).train.images)
    assert not np.array_equal(few.train.images, images.train.images[:300])
    assert few.test is images.test
    assert len(images.some(len(images.train)).train) == len(images.train)
    with pytest.raises(ValueError, match="2000 rows are wanted"):
        images.some(2000)

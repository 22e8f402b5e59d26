"""Where errors are told without their words, a log says where each came up and what caused it."""

import sys
from typing import Any

from service.core.logging import leaving_out_words


def logged(error: BaseException) -> str:
    tell = leaving_out_words(lambda one: type(one).__name__)
    event: Any = tell(None, "error", {"exc_info": error})
    return str(event["exception"])


def test_causes_come_first_and_no_word_of_an_error_is_logged() -> None:
    try:
        try:
            int("row 4711")
        except ValueError as cause:
            raise KeyError("row 4711") from cause
    except KeyError as error:
        told = logged(error)

    place, kind, other_place, other_kind = told.splitlines()
    assert (kind, other_kind) == ("ValueError", "KeyError")
    for line in (place, other_place):
        assert line.startswith(__file__)
        assert line.endswith(f" in {sys._getframe().f_code.co_name}")
    assert "4711" not in told


def test_errors_that_cause_each_other_are_logged_once() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert logged(first) == "KeyError\nValueError"

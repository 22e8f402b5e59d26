"""Routes that recognise their caller, work and commit in one go."""

import pytest
from fastapi import APIRouter

from service.api.transactions import SessionDep, TransactionRoute


def test_a_function_that_nobody_would_be_recognised_for_is_refused() -> None:
    router = APIRouter(route_class=TransactionRoute)

    with pytest.raises(TypeError, match="hello is no plain function"):

        @router.get("/hello")
        def hello() -> None: ...

    with pytest.raises(TypeError, match="later is no plain function"):

        @router.get("/later")
        async def later(session: SessionDep) -> None: ...

"""The API's description, for programs and for people."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from service.api.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, include_in_schema=False)
DESCRIPTION = "/openapi.json"


@router.get(DESCRIPTION)
async def description(request: Request) -> dict[str, Any]:
    """Every route with its fields and answers."""
    described: dict[str, Any] = request.app.openapi()
    return described


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The same as a page."""
    root = str(request.scope.get("root_path", "")).rstrip("/")
    title = f"{request.app.title}: its API"
    return get_swagger_ui_html(openapi_url=root + DESCRIPTION, title=title)

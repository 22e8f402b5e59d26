"""Lines of the access log name the route that answered, and not the path that a caller wrote."""

import logging
from collections.abc import Iterable
from urllib.parse import unquote

from starlette.routing import BaseRoute, Route

from service.api.paths import PARAMETER

# A path that no route has: a caller may have put an ID there, or a name into the wrong place.
UNMATCHED = "(no route)"
# Where uvicorn has the path among what it says of a request: caller, method, path, version, status.
PATH = 2


class RouteNames(logging.Filter):
    """Puts the pattern of its route, such as `/v1/datasets/{name}`, in place of a path."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        super().__init__()
        self._routes = [route for route in routes if isinstance(route, Route)]

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) > PATH:
            given = list(record.args)
            given[PATH] = self.name_of(str(given[PATH]))
            record.args = tuple(given)
        return True

    def name_of(self, path: str) -> str:
        plain = unquote(path.partition("?")[0])
        for route in self._routes:
            if route.path_regex.match(plain):
                return PARAMETER.sub(r"{\1}", route.path)
        return UNMATCHED


def name_routes_in_logs(routes: Iterable[BaseRoute]) -> None:
    """Have the access log of this process name these routes only."""
    access = logging.getLogger("uvicorn.access")
    for old in [one for one in access.filters if isinstance(one, RouteNames)]:
        access.removeFilter(old)
    access.addFilter(RouteNames(routes))

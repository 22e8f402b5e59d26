"""The addresses of resources, as the router would spell them.

They are paths, for links and for `Location` alike: a caller knows by which host it came, and the
`Host` header is only what the caller says (RFC 9110, 10.2.2).
"""

from functools import lru_cache

from fastapi import FastAPI, Request


def path_of(http: Request, route: str, **parts: object) -> str:
    """The path at which a route is served, under whatever path a proxy puts the application."""
    root: str = http.scope.get("app_root_path", http.scope.get("root_path", ""))
    return root.rstrip("/") + pattern(http.app, route, *parts).format(**parts)


@lru_cache(maxsize=64)
def pattern(app: FastAPI, route: str, *names: str) -> str:
    """A route's path with its parts in braces. Finding it takes a walk over all routes."""
    return str(app.url_path_for(route, **{name: f"{{{name}}}" for name in names}))

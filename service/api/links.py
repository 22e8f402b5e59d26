"""The addresses of resources, as the router would spell them."""

from functools import lru_cache

from fastapi import FastAPI, Request


def path_of(http: Request, route: str, **parts: object) -> str:
    """The path at which a route is served, under whatever path a proxy puts the application."""
    return http.base_url.path.rstrip("/") + pattern(http.app, route, *parts).format(**parts)


def url_of(http: Request, route: str, **parts: object) -> str:
    """The same, as seen from outside."""
    return str(http.base_url).rstrip("/") + pattern(http.app, route, *parts).format(**parts)


@lru_cache(maxsize=64)
def pattern(app: FastAPI, route: str, *names: str) -> str:
    """A route's path with its parts in braces. Finding it takes a walk over all routes."""
    return str(app.url_path_for(route, **{name: f"{{{name}}}" for name in names}))

"""The API process: wiring, nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio import CapacityLimiter
from fastapi import Depends, FastAPI

from service.api import health, openapi, pages, problems
from service.api.admission import CONNECTIONS, EXPORTS, PATIENCE_SECONDS, PROBES, Admission
from service.api.auth import bearer
from service.api.bodies import BodyReader, Pace
from service.api.callers import KnownCallers
from service.api.head import HeadAsGet
from service.api.places import Places
from service.api.routes_in_logs import name_routes_in_logs
from service.api.uploads import UPLOADS, Uploads
from service.core.db import Database
from service.core.errors import ConfigurationError
from service.core.logging import configure_logging
from service.core.settings import Settings
from service.core.storage import LocalStore
from service.datasets.router import router as datasets
from service.deletion_requests.router import router as deletion_requests
from service.deletion_requests.uploads import router as uploads
from service.jobs.router import router as jobs
from service.registry.router import router as registry


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application from settings, which default to the environment.

    Raises:
        ConfigurationError: no database is named.
    """
    settings = settings or Settings()
    if settings.database_url is None:
        raise ConfigurationError(
            "Set UNLEARND_DATABASE_URL, or run `unlearnd up`, which starts a database of its own."
        )
    configure_logging(settings.log_level, process="api")
    database = Database(
        settings.database_url,
        pool_size=CONNECTIONS,
        application="unlearnd api",
        patience=settings.database_patience_seconds,
    )

    # An upload of millions of IDs takes as long as it takes.
    bulk = Database(
        settings.database_url,
        pool_size=UPLOADS,
        application="unlearnd api",
        watched_by=database,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        database.dispose()
        bulk.dispose()

    app = FastAPI(
        title="unlearnd",
        version=version("unlearnd"),
        summary="Deletion requests in, unlearned and audited model versions out.",
        lifespan=lifespan,
        # A redirect would send the caller, and its key, to whatever the Host header names.
        redirect_slashes=False,
        # `service.api.pages` serves both, and refuses a query.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.settings = settings
    app.state.database = database
    app.state.bulk_database = bulk
    app.state.store = LocalStore(settings.storage_dir)
    pace = Pace(
        silence=settings.silent_seconds,
        rate=settings.body_bytes_per_second,
        crowded=settings.crowded_bytes_per_second,
    )
    places = Places(CONNECTIONS, PATIENCE_SECONDS)
    app.state.uploads = Uploads(
        body=BodyReader(settings.max_upload_bytes, pace=pace),
        places=places,
        rooms=Places(UPLOADS, PATIENCE_SECONDS),
    )
    app.state.export_threads = CapacityLimiter(EXPORTS)
    app.state.probe_threads = CapacityLimiter(PROBES)
    app.add_middleware(HeadAsGet)
    app.add_middleware(
        Admission,
        bodies=BodyReader(settings.max_body_bytes, pace=pace),
        callers=KnownCallers(database),
        places=places,
        by_themselves=frozenset({("POST", uploads.prefix)}),
    )
    problems.install(app)
    openapi.install(app)
    app.include_router(health.router)
    app.include_router(pages.router)
    resources = (uploads, datasets, registry, deletion_requests, jobs)
    for router in resources:
        app.include_router(
            router,
            dependencies=[Depends(bearer)],
            responses=problems.problems(problems.UnauthorizedError),
        )
    name_routes_in_logs(
        route for one in (health.router, pages.router, *resources) for route in one.routes
    )
    return app

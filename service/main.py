"""The API process: wiring, nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio import CapacityLimiter
from fastapi import Depends, FastAPI

from service.api import health, problems
from service.api.admission import CONNECTIONS, EXPORTS, PROBES, Admission
from service.api.auth import authenticate
from service.api.bodies import BodyReader
from service.api.head import HeadAsGet
from service.core.db import Database
from service.core.errors import ConfigurationError
from service.core.logging import configure_logging
from service.core.settings import Settings
from service.core.storage import LocalStore
from service.datasets.router import router as datasets
from service.deletion_requests.router import router as deletion_requests
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
    database = Database(settings.database_url, pool_size=CONNECTIONS, application="unlearnd api")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        database.dispose()

    app = FastAPI(
        title="unlearnd",
        version=version("unlearnd"),
        summary="Deletion requests in, unlearned and audited model versions out.",
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.database = database
    app.state.store = LocalStore(settings.storage_dir)
    app.state.export_threads = CapacityLimiter(EXPORTS)
    app.state.probe_threads = CapacityLimiter(PROBES)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Admission, bodies=BodyReader(settings.max_body_bytes))
    problems.install(app)
    app.include_router(health.router)
    for router in (datasets, registry, deletion_requests, jobs):
        app.include_router(
            router,
            dependencies=[Depends(authenticate)],
            responses=problems.problems(problems.UnauthorizedError),
        )
    return app

"""Who reaches what, in interpreters that have imported nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVERS = {
    "UNLEARND_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/nothing",
    "UNLEARND_REDIS_URL": "redis://127.0.0.1:1/0",
}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that are there after `code`, and all of ours by their full names."""
    tell = (
        "import sys; print('\\n'.join({m if m.startswith(('service', 'workers', 'migrations')) "
        "else m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tell}"],
        env={**os.environ, **SERVERS},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def reached(modules: set[str], *forbidden: str) -> set[str]:
    return {m for m in modules if any(m == f or m.startswith(f"{f}.") for f in forbidden)}


@pytest.mark.parametrize(
    "code",
    [
        "from service.main import create_app; create_app().openapi()",
        "from service.cli.app import COMMANDS, imported; [imported(name) for name in COMMANDS]",
        "import service.dispatcher.loop",
    ],
)
def test_the_service_loads_no_torch_and_no_worker(code: str) -> None:
    modules = loaded_by(code)

    assert "service.core.settings" in modules
    assert reached(modules, "torch", "safetensors", "workers", "numpy") == set()


def test_a_command_that_calls_the_service_loads_no_database_and_no_queue() -> None:
    """It would take twice as long to start."""
    modules = loaded_by("from service.cli.app import imported; imported('requests')")

    assert "service.cli.client" in modules
    servers = {"alembic", "celery", "kombu", "psycopg", "redis", "service.core.db"}
    ours = {"service.main", "service.embedded", "service.supervisor"}
    assert reached(modules, *servers, *ours) == set()


def test_a_worker_loads_no_torch(tmp_path: Path) -> None:
    """It is a supervisor only: each run computes in a process of its own."""
    code = (
        f"import os; os.environ['UNLEARND_HOME'] = {str(tmp_path)!r}\n"
        "from workers.app import app; app.loader.import_default_modules()\n"
        "assert 'unlearnd.run_job' in app.tasks"
    )
    modules = loaded_by(code)

    assert "workers.tasks.run_job" in modules
    assert reached(modules, "torch", "fastapi", "starlette", "service.api") == set()


def test_what_indexes_a_dataset_loads_no_torch_and_no_database() -> None:
    code = "import workers.indexing.__main__, workers.indexing.process, workers.runner.progress"
    modules = loaded_by(code)

    assert "workers.data.index" in modules
    assert reached(modules, "torch", "transformers", "sqlalchemy", "psycopg", "celery") == set()


@pytest.mark.parametrize("package", ["workers.unlearning", "workers.evaluation"])
def test_unlearning_and_evaluation_run_in_a_notebook(package: str) -> None:
    code = (
        "import importlib, pkgutil\n"
        f"package = importlib.import_module('{package}')\n"
        "for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(found.name)"
    )
    modules = loaded_by(code)

    assert "torch" in modules
    forbidden = ("service", "sqlalchemy", "psycopg", "celery", "redis", "pydantic_settings")
    assert reached(modules, *forbidden) == set()


def test_the_import_contracts_are_kept(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--cache-dir", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout

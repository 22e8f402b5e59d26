"""What a storm does to processes, servers and networks. Each strike is over when it returns."""

import os
import random
import signal
import time
from collections.abc import Callable

import redis
from sqlalchemy import text

from tests.faults.processes import Running
from tests.faults.proxy import Proxy
from tests.faults.stack import API, Stack

SHORT = {"UNLEARND_DATABASE_PATIENCE_SECONDS": "2"}
NAMES = ("dispatcher", "other dispatcher", "worker", "other worker", "api")
END_SESSIONS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
    "datname = current_database() AND application_name LIKE 'unlearnd %'"
)

Strike = Callable[[], str]


class Storm:
    """Harm of every kind, out of one random generator."""

    def __init__(self, stack: Stack, chance: random.Random) -> None:
        self._stack, self._chance = stack, chance
        self._running: dict[str, Running] = {}
        self.api: API = self._start_all()

    def strikes(self) -> list[Strike]:
        ends = [self.kill, self.kill, self.stop, self.freeze, self.kill_run]
        servers = [self.flush, self.crash_redis, self.crash_postgres, self.restart_postgres]
        networks = [self.cut, self.reset, self.silence, self.strand, self.slow, self.lose_answers]
        return [*ends, *servers, *networks, self.end_sessions]

    def mend(self) -> None:
        """Servers, networks and processes are all there again."""
        self._stack.servers.heal()
        for name, process in self._running.items():
            if not process.is_up:
                self._start(name)

    def _start_all(self) -> API:
        for name in NAMES:
            self._start(name)
        return self.api

    def _start(self, name: str) -> None:
        if name == "api":
            self.api = self._stack.api(**SHORT)
            self._running[name] = self.api.running
        elif "worker" in name:
            self._running[name] = self._stack.worker()
        else:
            self._running[name] = self._stack.dispatcher(**SHORT)

    def _pick(self) -> tuple[str, Running]:
        name = self._chance.choice(NAMES)
        return name, self._running[name]

    def _lasts(self, most: float) -> float:
        seconds = self._chance.uniform(0.1, most)
        time.sleep(seconds)
        return seconds

    def _network(self) -> tuple[str, Proxy]:
        name = self._chance.choice(["postgres", "redis"])
        powered = self._stack.servers.postgres if name == "postgres" else self._stack.servers.redis
        return name, powered.proxy

    def kill(self) -> str:
        name, process = self._pick()
        if process.is_up:
            process.kill()
        self._start(name)
        return f"killed {name}"

    def stop(self) -> str:
        name, process = self._pick()
        seconds = process.stop(60) if process.is_up else 0.0
        self._start(name)
        return f"stopped {name} in {seconds:.1f} s"

    def freeze(self) -> str:
        name, process = self._pick()
        process.freeze()
        seconds = self._lasts(5)
        process.thaw()
        return f"froze {name} for {seconds:.1f} s"

    def kill_run(self) -> str:
        name = self._chance.choice(["worker", "other worker"])
        runs = self._running[name].runners() if self._running[name].is_up else []
        for run in runs:
            os.kill(run, signal.SIGKILL)
        return f"killed {len(runs)} runs of {name}"

    def flush(self) -> str:
        url = self._stack.servers.redis.direct_url
        with redis.Redis.from_url(url, socket_timeout=5) as server:
            server.flushall()
        return "flushed redis"

    def crash_redis(self) -> str:
        self._stack.servers.redis.crash(signal.SIGKILL)
        seconds = self._lasts(3)
        self._stack.servers.redis.on()
        return f"crashed redis for {seconds:.1f} s"

    def crash_postgres(self) -> str:
        self._stack.forget_database()
        self._stack.servers.postgres.crash(signal.SIGQUIT)
        self._stack.servers.postgres.on()
        return "crashed postgres"

    def restart_postgres(self) -> str:
        self._stack.forget_database()
        self._stack.servers.postgres.off()
        seconds = self._lasts(3)
        self._stack.servers.postgres.on()
        return f"stopped postgres for {seconds:.1f} s"

    def end_sessions(self) -> str:
        with self._stack.session() as session:
            count = len(list(session.scalars(END_SESSIONS)))
        return f"ended {count} sessions"

    def cut(self) -> str:
        name, proxy = self._network()
        proxy.cut()
        seconds = self._lasts(4)
        proxy.heal()
        return f"cut {name} off for {seconds:.1f} s"

    def reset(self) -> str:
        name, proxy = self._network()
        proxy.reset()
        return f"reset the connections to {name}"

    def silence(self) -> str:
        name, proxy = self._network()
        proxy.silence()
        seconds = self._lasts(5)
        proxy.heal()
        return f"silenced {name} for {seconds:.1f} s"

    def strand(self) -> str:
        name, proxy = self._network()
        proxy.strand()
        return f"left the connections to {name} half-open"

    def slow(self) -> str:
        name, proxy = self._network()
        proxy.delay = self._chance.uniform(0.01, 0.2)
        seconds = self._lasts(3)
        proxy.heal()
        return f"slowed {name} down for {seconds:.1f} s"

    def lose_answers(self) -> str:
        name, proxy = self._network()
        proxy.lose_answers()
        seconds = self._lasts(3)
        proxy.reset()
        proxy.heal()
        return f"lost the answers of {name} for {seconds:.1f} s"

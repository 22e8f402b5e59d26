"""Children that die, children that do not want to, and a supervisor that is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.supervisor import Child, CrashLoopError, RestartPolicy, Supervisor, stop_signals
from service.supervisor.spawn import reap, spawn
from tests.waiting import is_running

REPOSITORY = Path(__file__).parents[3]
SLEEP = "import time; time.sleep(600)"
# Says that it is ready only when SIGTERM no longer ends it.
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " print('ready', flush=True); time.sleep(600)"
)


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def says(log: Path, word: str) -> Callable[[], bool]:
    return lambda: log.exists() and word in log.read_text()


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    policy = RestartPolicy(first_wait=0.05, longest_wait=0.2, give_up_after=3)
    with Supervisor(policy=policy, grace=0.5) as supervisor:
        yield supervisor


def test_a_child_that_was_killed_is_restarted(supervisor: Supervisor) -> None:
    supervisor.start([Child("sleeper", python(SLEEP)), Child("other", python(SLEEP))])
    before = supervisor.pids()

    with capture_logs() as logs:
        os.kill(before["sleeper"], signal.SIGKILL)

        def restarted() -> bool:
            supervisor.poll()
            return supervisor.pids().get("sleeper", before["sleeper"]) != before["sleeper"]

        wait_for(restarted)

    assert supervisor.pids()["other"] == before["other"]
    assert not is_running(before["sleeper"])
    assert [(entry["event"], entry["child"]) for entry in logs] == [
        ("child_died", "sleeper"),
        ("child_restarted", "sleeper"),
    ]
    assert logs[0]["how"] == "killed by signal 9, Killed"


def test_a_crash_loop_ends_in_a_clear_error(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "log" / "broken.log"
    supervisor.start([Child("broken", python("raise SystemExit('no such GPU')"), log=log)])

    with (
        stop_signals() as signals,
        pytest.raises(CrashLoopError, match=r"^broken ended 3 times .* exit status 1.*broken\.log"),
    ):
        supervisor.run_forever(signals.stop)

    assert log.read_text().count("no such GPU") == 3


def test_a_child_that_once_stayed_up_is_never_given_up() -> None:
    policy = RestartPolicy(first_wait=0, longest_wait=0, settled_after=0.1, give_up_after=2)
    with Supervisor(policy=policy) as supervisor:
        supervisor.start([Child("flaky", python("import time; time.sleep(0.1)"))])
        seen: set[int] = set()

        def enough() -> bool:
            supervisor.poll()
            seen.update(supervisor.pids().values())
            return len(seen) > 4

        wait_for(enough)


def test_the_wait_doubles_up_to_its_limit() -> None:
    policy = RestartPolicy()

    assert [policy.wait(deaths) for deaths in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert policy.wait(100_000) == 30


def test_a_stop_asks_the_last_child_first(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('ended', flush=True)))\n"
        "print('ready', flush=True); time.sleep(600)"
    )
    logs = {name: tmp_path / f"{name}.log" for name in ("one", "two")}
    supervisor.start(Child(name, python(script), log=log) for name, log in logs.items())
    wait_for(lambda: all(says(log, "ready")() for log in logs.values()))
    pids = supervisor.pids()
    asked: list[int] = []
    send = os.kill

    def note(pid: int, number: int) -> None:
        asked.append(pid)
        send(pid, number)

    monkeypatch.setattr("os.kill", note)

    supervisor.stop()

    assert asked == [pids["two"], pids["one"]]
    assert [log.read_text() for log in logs.values()] == ["ready\nended\n"] * 2
    assert not any(is_running(pid) for pid in pids.values())
    assert supervisor.pids() == {}


def test_a_stop_kills_a_child_that_ignores_sigterm(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "stubborn.log"
    supervisor.start([Child("stubborn", python(STUBBORN), log=log)])
    wait_for(says(log, "ready"))
    pid = supervisor.pids()["stubborn"]

    started = time.monotonic()
    supervisor.stop()

    assert 0.4 < time.monotonic() - started < 5
    assert not is_running(pid)


def test_a_stop_leaves_no_grandchild_of_the_same_group(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    log = tmp_path / "family.log"
    script = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]);"
    script += " print(p.pid, flush=True); p.wait()"
    supervisor.start([Child("parent", python(script), log=log)])
    wait_for(says(log, "\n"))
    grandchild = int(log.read_text())

    supervisor.stop()

    wait_for(lambda: not is_running(grandchild))


def test_a_child_gets_its_environment_and_a_session_of_its_own(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    log = tmp_path / "child.log"
    script = (
        "import os, signal; print(os.environ['COLOUR'], os.getpid() == os.getsid(0),"
        " signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    supervisor.start([Child("child", python(script), env={"COLOUR": "blue"}, log=log)])

    wait_for(says(log, "\n"))

    assert log.read_text() == "blue True True\n"


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+b") as out:
        process = spawn(["/no/such/program"], death_signal=signal.SIGKILL, stderr=out)
        process.wait()

        assert reap(process) == 1
        out.seek(0)
        assert b"Cannot run /no/such/program" in out.read()


def test_a_killed_supervisor_takes_its_children_along() -> None:
    script = (
        "import sys, time\n"
        "from service.supervisor import Child, Supervisor\n"
        "supervisor = Supervisor()\n"
        f"supervisor.start([Child(str(n), [sys.executable, '-c', {SLEEP!r}]) for n in range(2)])\n"
        "print(*supervisor.pids().values(), flush=True)\n"
        "time.sleep(600)"
    )
    owner = subprocess.Popen(python(script), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 2
        owner.kill()
        owner.wait()
        wait_for(lambda: not any(is_running(pid) for pid in pids))


def test_the_first_signal_stops_and_the_second_kills_at_once(tmp_path: Path) -> None:
    log = tmp_path / "stubborn.log"
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from service.supervisor import Child, Supervisor, stop_signals\n"
        "with stop_signals() as signals, Supervisor(at_once=signals.at_once) as supervisor:\n"
        f"    args = [sys.executable, '-c', {STUBBORN!r}]\n"
        "    supervisor.start([Child('stubborn', args, log=Path(sys.argv[1]))])\n"
        "    print(*supervisor.pids().values(), flush=True)\n"
        "    supervisor.run_forever(signals.stop)\n"
        "    print('stopping', flush=True)\n"
    )
    owner = subprocess.Popen(
        [*python(script), str(log)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        wait_for(says(log, "ready"))
        owner.send_signal(signal.SIGINT)
        assert owner.stdout.readline() == "stopping\n"
        assert is_running(child)
        owner.send_signal(signal.SIGTERM)
        assert owner.wait(30) == 0
    assert not is_running(child)


def test_the_signals_are_ours_only_for_a_while() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with stop_signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stop.wait(5)
        assert not signals.at_once.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.at_once.wait(5)

    assert signal.getsignal(signal.SIGTERM) is before

"""Child processes: started, restarted, and gone when we are gone."""

from service.supervisor.signals import StopSignals, stop_signals
from service.supervisor.supervisor import Child, CrashLoopError, RestartPolicy, Supervisor

__all__ = [
    "Child",
    "CrashLoopError",
    "RestartPolicy",
    "StopSignals",
    "Supervisor",
    "stop_signals",
]

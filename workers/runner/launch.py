"""Several processes for one run, started by torch's own launcher: the one behind `torchrun`.

They meet by files in the scratch directory and talk over the loopback interface, so that nothing
listens on a network.
"""

import atexit
import os
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from service.core.settings import Settings
from workers.exits import code_of_exit
from workers.plan import OUTCOME, Failed, ProgressLine, UnlearnPlan
from workers.runner.death import die_with
from workers.runner.outcomes import write_outcome
from workers.runner.process import fulfil, read_plan
from workers.runner.progress import ProgressPipe
from workers.unlearning.ranks import Ranks

LOOPBACK = "lo"
# A rank that has been told to end is killed after so many seconds.
GRACE_SECONDS = 5


def launch(work_dir: Path, count: int) -> None:
    """Start `count` processes and wait for them. If one dies, the others are ended.

    What counts is the outcome: once it is written, nothing that happens later can spoil it.
    """
    folder = work_dir / "ranks"
    folder.mkdir()
    os.environ |= {
        "GLOO_SOCKET_IFNAME": LOOPBACK,
        "NCCL_SOCKET_IFNAME": LOOPBACK,
        # The launcher would else open a port for a store that is not needed.
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    }
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="run",
        rdzv_backend="c10d",
        rdzv_endpoint=str(folder / "launcher"),
        rdzv_configs={"store_type": "file", "timeout": 60},
        local_addr="localhost",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=str(folder)),
        shutdown_timeout=GRACE_SECONDS,
    )
    try:
        elastic_launch(config, be_one_of_several)(str(work_dir), os.getpid())
    except ChildFailedError as error:
        if (work_dir / OUTCOME).exists():
            return
        rank, failure = error.get_first_failure()
        how = failure.signal_name() if failure.exitcode < 0 else f"code {failure.exitcode}"
        reason = f"Process {rank + 1} of {count} ended with {how}; its log says why."
        write_outcome(work_dir, Failed(reason=reason, code=code_of_exit(failure.exitcode)))


def be_one_of_several(work_dir: str, launcher: int) -> None:
    """What each process runs."""
    die_with(launcher)
    pipe = ProgressPipe()
    ranks = Ranks(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    if ranks.first:
        pipe.tell(ProgressLine(phase="loading", fraction=0))
    plan, settings = read_plan(Path(work_dir)), Settings()
    cuda = isinstance(plan, UnlearnPlan) and plan.device != "cpu" and torch.cuda.is_available()
    if cuda and ranks.rank < torch.cuda.device_count():
        torch.cuda.set_device(ranks.rank)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if cuda else "gloo",
        init_method=f"file://{work_dir}/ranks/group",
        rank=ranks.rank,
        world_size=ranks.size,
        # One that dies is noticed by the launcher. Copying a dataset may take the others hours.
        timeout=timedelta(seconds=settings.job_time_limit_seconds),
    )
    try:
        fulfil(Path(work_dir), plan, settings, pipe, ranks)
    finally:
        dist.destroy_process_group()
    leave_the_interpreter()


def leave_the_interpreter() -> None:
    """Let this process, which has done its part, end by itself and skip what Python does then.

    Native threads that still run can abort a process whose interpreter is taken apart. Here that
    would be the death of one of several, for which the launcher ends the others in their work.
    """
    atexit.register(os._exit, 0)

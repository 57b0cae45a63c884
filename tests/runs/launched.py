"""``clfa`` as ``torchrun`` starts it, with a worker that dies, or weights that are sharded, when a test asks for it.

``DIE_AT=PROCESS:STEP`` kills that process before that optimiser step. With ``ACCELERATE_USE_FSDP=true`` Accelerate
shards on CPUs, too.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

from clfa.cli.main import main
from clfa.training import CLFATrainer
from no_pictures import leave_out_pictures


def arm(process: int, step: int) -> None:
    compute_loss = CLFATrainer.compute_loss

    def mortal(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
        if self.args.process_index == process and self.state.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return compute_loss(self, *args, **kwargs)

    CLFATrainer.compute_loss = mortal  # type: ignore[method-assign]


def shard_on_cpus() -> None:
    """Lift Accelerate's restriction of FSDP to accelerators, which PyTorch's ``fully_shard`` does not have."""
    prepare = AcceleratorState.__init__

    def sharding(self: AcceleratorState, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
        prepare(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin

    AcceleratorState.__init__ = sharding  # type: ignore[method-assign]


def launched(*arguments: str) -> None:
    """Do what ``clfa ARGUMENTS`` does, as the variables say."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        shard_on_cpus()
    if "DIE_AT" in os.environ:
        arm(*map(int, os.environ["DIE_AT"].split(":")))
    if "WITHOUT_PICTURES" in os.environ:
        leave_out_pictures()
    sys.argv = ["clfa", *arguments]
    main()


if __name__ == "__main__":
    launched(*sys.argv[1:])

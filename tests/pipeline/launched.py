"""``clfa`` as ``torchrun`` starts it, with a worker that dies when a test asks for it.

``DIE_AT=PROCESS:STEP`` kills that process before that optimiser step.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from clfa.cli.main import main
from clfa.training import CLFATrainer


def arm(process: int, step: int) -> None:
    compute_loss = CLFATrainer.compute_loss

    def mortal(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
        if self.args.process_index == process and self.state.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return compute_loss(self, *args, **kwargs)

    CLFATrainer.compute_loss = mortal  # type: ignore[method-assign]


if __name__ == "__main__":
    if "DIE_AT" in os.environ:
        arm(*map(int, os.environ["DIE_AT"].split(":")))
    main()

"""Let a killed run stay KILLED, in a process that outlives the one that was killed.

`mlflow run` calls a run FAILED when its command ended otherwise than well, even one that has its
status already: `mlflow.projects._maybe_set_run_terminated` asks `RunStatus.is_terminated`, which
knows numbers, for a word. It does so last of all, after the command has gone.
"""

import subprocess
import sys
import time

import mlflow

_LONGEST_S, _PAUSE_S = 60.0, 0.5


def let_stay_killed(run_id: str) -> None:
    """Start the process that does it.

    Args:
        run_id: a run that is KILLED, of a command that `mlflow run` started.
    """
    subprocess.Popen(
        # In this folder, to which the store's URI may be relative; -P: without our own on its path.
        [sys.executable, "-P", __file__, mlflow.get_tracking_uri(), run_id],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C and the end of the terminal are not for it
    )


def restore(client: mlflow.MlflowClient, run_id: str) -> None:
    """Wait a minute at most until the run is called FAILED, and call it KILLED again."""
    until = time.monotonic() + _LONGEST_S
    while time.monotonic() < until:
        if client.get_run(run_id).info.status == "FAILED":
            client.set_terminated(run_id, "KILLED")
            return
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    restore(mlflow.MlflowClient(sys.argv[1]), sys.argv[2])

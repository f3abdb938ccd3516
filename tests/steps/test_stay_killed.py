"""A run that was killed stays so, whatever `mlflow run` says of it afterwards."""

import mlflow
from live_server import wait_for

from steps.shared.stay_killed import let_stay_killed


def test_a_killed_run_that_mlflow_calls_failed_is_killed_again(store):
    with mlflow.start_run() as run:
        pass
    client = mlflow.MlflowClient()
    client.set_terminated(run.info.run_id, "KILLED")
    let_stay_killed(run.info.run_id)
    client.set_terminated(run.info.run_id, "FAILED")  # as `mlflow run` does, last of all
    wait_for(lambda: client.get_run(run.info.run_id).info.status == "KILLED")

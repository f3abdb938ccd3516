"""Jobs tell how far they are, in the log of a cluster too."""

from serving.batch.progress import Progress
from serving.cli.batch import ProgressBar, classify, describe_progress, merge
from steps.classify import main as step


def at(stage, shards, craters, *, here, seconds):
    return Progress(stage, shards, 10, craters, 5_000, seconds, here, 0.0)


def test_rate_counts_this_run_and_the_time_left_follows_from_it():
    """2,000 craters in 8 s are 250 per second: 2,500 more take 10 s."""
    resumed = at("classify", 5, 2_500, here=2_000, seconds=8.0)
    assert describe_progress(resumed) == (
        "classify: 5 of 10 shards, 2,500 of 5,000 craters, 250 craters/s, 0:00:10 left"
    )
    begun = at("classify", 1, 500, here=0, seconds=0.1)
    assert describe_progress(begun) == "classify: 1 of 10 shards, 500 of 5,000 craters"


def test_without_a_terminal_a_line_is_written_at_most_every_half_minute(capsys):
    bar = ProgressBar()
    times = [0.0, 10.0, 29.0, 31.0, 40.0, 50.0]
    for n, now in enumerate(times):
        bar._tell(at("measure", n, 500 * n, here=500 * n, seconds=now), now)
    bar._tell(at("classify", 0, 0, here=0, seconds=0.0), 51.0)
    bar._tell(at("classify", 10, 5_000, here=5_000, seconds=1.0), 52.0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" shards")[0] for line in lines] == [
        "measure: 0 of 10", "measure: 3 of 10", "classify: 0 of 10", "classify: 10 of 10",
    ]  # fmt: skip


def test_log_that_is_no_terminal_gets_lines(capsys):
    with ProgressBar() as bar:
        bar.show(at("measure", 0, 0, here=0, seconds=0.0))
    assert capsys.readouterr().err == "measure: 0 of 10 shards, 0 of 5,000 craters\n"


def test_command_has_no_option_that_only_an_mlflow_run_follows():
    for command in (classify, merge):
        names = {parameter.name for parameter in command.params}
        assert "analysis" not in names
        assert "output" in names
    assert "analysis" in {parameter.name for parameter in step.params}

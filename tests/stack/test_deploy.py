"""The files of `deploy/` are valid, and the scripts work where no container is needed."""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import yaml
from team_stack import BUCKET, DEPLOY, S3_KEYS

from lunar_models.config.base import specs
from lunar_models.config.serve import ServeConfig
from serving.app.tokens import TokenStore

pytestmark = pytest.mark.stack
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILES = sorted((DEPLOY / "images").iterdir())
PYTHON_IMAGES = [f for f in DOCKERFILES if "FROM python" in f.read_text()]
MANIFESTS = sorted(f for f in (DEPLOY / "kubernetes").iterdir() if f.name != "kustomization.yaml")
SCRIPTS = sorted(DEPLOY.rglob("*.sh"))


def run(*command, **options) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def tool(name: str, package: str) -> str:
    return shutil.which(name) or pytest.skip(f"{name} is not installed: apt-get install {package}")


def test_compose_file_follows_the_specification():
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
        DEPLOY / "compose.yaml")  # fmt: skip


def test_every_container_is_hardened():
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "latest" not in service["image"], name
    served = {n for n, s in COMPOSE["services"].items() if s["restart"] == "unless-stopped"}
    own = {"tracking", "app", "seaweedfs"}  # their images say how to look at their health
    assert {n for n in served if "healthcheck" in COMPOSE["services"][n]} == served - own
    assert [n for n, s in COMPOSE["services"].items() if "ports" in s] == ["proxy"]


def test_options_of_the_application_exist():
    options = {f"LUNAR_SERVE_{spec.name.upper()}" for spec in specs(ServeConfig)}
    texts = [f.read_text() for f in (DEPLOY / "compose.yaml", *MANIFESTS, *DOCKERFILES)]
    used = {name for text in texts for name in re.findall(r"LUNAR_SERVE_\w+", text)}
    assert len(used) >= 6
    assert used <= options


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda f: f.name)
def test_images_run_without_root_and_tell_their_health(file):
    last = file.read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", last, re.MULTILINE)


@pytest.mark.parametrize("file", PYTHON_IMAGES, ids=lambda f: f.name)
def test_images_of_our_programs_are_small(file):
    text = file.read_text()
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(stages) == 2
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-bookworm(@sha256:\w{64})?", s) for s in stages)
    last = text.rpartition("\nFROM ")[2]
    assert "pip install" not in last
    for source in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.*) \S+$", text, re.MULTILINE):
        for path in source.split():
            assert (DEPLOY.parent / path).exists(), path


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda f: f.name)
def test_manifests_follow_the_schemas_of_kubernetes(file):
    run(sys.executable, "-m", "kubernetes_validate", "--strict", file)


def test_a_manifest_that_is_wrong_would_be_noticed(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    text = (DEPLOY / "kubernetes/app.yaml").read_text()
    wrong.write_text(text.replace("readinessProbe", "readynessProbe"))
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", str(wrong)]
    assert subprocess.run(command, capture_output=True).returncode != 0


def test_kustomization_names_every_manifest():
    named = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())["resources"]
    assert sorted(named) == [file.name for file in MANIFESTS]


def test_scripts():
    run(tool("shellcheck", "shellcheck"), *SCRIPTS)


def test_prometheus_takes_its_configuration():
    promtool = tool("promtool", "prometheus")
    run(promtool, "check", "config", "--syntax-only", DEPLOY / "prometheus/prometheus.yml")
    assert "5 rules found" in run(promtool, "check", "rules", DEPLOY / "prometheus/alerts.yml")


def test_caddy_takes_its_configuration(tmp_path):
    names = {f"{n}_HOST": f"{n.lower()}.example.org" for n in ("LUNAR", "TRACKING", "GRAFANA")}
    environment = {**os.environ, **names, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    command = (tool("caddy", "caddy"), "validate", "--config", DEPLOY / "caddy/Caddyfile")
    assert "Valid configuration" in run(*command, env=environment)


def test_secrets_are_made_once_and_never_shown(tmp_path):
    shutil.copytree(DEPLOY / "scripts", tmp_path / "scripts")
    printed = run(tmp_path / "scripts/make-secrets.sh")
    secrets = {f.name: f.read_text() for f in (tmp_path / "secrets").iterdir()}
    assert {*COMPOSE["secrets"]} == {*secrets}
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert all(len(text) == 48 for name, text in secrets.items() if name != "metrics_token")
    assert not any(text and text in printed for text in secrets.values())
    run(tmp_path / "scripts/make-secrets.sh")
    assert secrets == {f.name: f.read_text() for f in (tmp_path / "secrets").iterdir()}


def test_a_token_is_rotated(tmp_path):
    file = tmp_path / "tokens.json"
    command = tmp_path / "lunar-token"
    command.write_text(f"#!{sys.executable}\nfrom serving.cli.token import token\ntoken()\n")
    command.chmod(0o755)
    environment = {
        **os.environ, "LUNAR_TOKEN": f"{command} --file {file}", "PYTHONPATH": str(DEPLOY.parent)
    }  # fmt: skip
    rotate = DEPLOY / "scripts/rotate-token.sh"
    options = {"env": environment, "text": True, "check": True, "capture_output": True}
    first, second = (
        subprocess.run([rotate, name, "--scope", "predict"], **options) for name in ("ana", "ana2")
    )
    tokens = TokenStore(file)
    assert (
        tokens.scopes(first.stdout.strip()) == tokens.scopes(second.stdout.strip()) == {"predict"}
    )
    name = re.findall(r"token of (\S+)\.", first.stderr)[0]
    subprocess.run([rotate, "--revoke", name], **options)
    tokens = TokenStore(file)
    assert tokens.scopes(first.stdout.strip()) is None
    assert tokens.scopes(second.stdout.strip()) == {"predict"}


def test_a_password_of_the_tracking_server_is_changed(stack, ana):
    """Each worker of the server remembers for seconds who has signed in; afterwards none does."""
    many = range(12)  # so that every worker answers
    stack.create_user("cleo", "the-first-password")
    assert {stack.status_for("cleo", "the-first-password") for _ in many} == {200}
    assert "has the new password" in stack.create_user("cleo", "the-second-password")
    assert {stack.status_for("cleo", "the-first-password") for _ in many} == {401}
    assert {stack.status_for("cleo", "the-second-password") for _ in many} == {200}


def test_large_objects_are_copied_whole(tmp_path):
    """An object of several parts arrives in any order; its size is not where the last one ends."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        (tmp_path / "key").write_text("testing")
        environment = {
            **os.environ, "AWS_ACCESS_KEY_ID": "testing", "BUCKET": "bucket",
            "S3_SECRET_KEY_FILE": str(tmp_path / "key"),
            "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}",
        }  # fmt: skip
        bucket = boto3.client(
            "s3", endpoint_url=f"http://{host}:{port}", aws_access_key_id="testing",
            aws_secret_access_key="testing", region_name="us-east-1",
        )  # fmt: skip
        bucket.create_bucket(Bucket="bucket")
        objects = {f"of/{size}": os.urandom(size) for size in (0, 1, 9 * 2**20, 33 * 2**20 + 1)}
        for key, body in objects.items():
            bucket.upload_fileobj(io.BytesIO(body), "bucket", key)
        tool = [sys.executable, DEPLOY / "tracking/copy_bucket.py"]
        options = {"env": environment, "check": True, "stdout": subprocess.PIPE}
        copied = subprocess.run([*tool, "pull"], **options).stdout
        for key in objects:
            bucket.delete_object(Bucket="bucket", Key=key)
        subprocess.run([*tool, "push"], input=copied, **options)
        back = {k: bucket.get_object(Bucket="bucket", Key=k)["Body"].read() for k in objects}
        assert [k for k in objects if back[k] != objects[k]] == []
    finally:
        server.stop()


def test_a_backup_brings_everything_back(stack, ana, served, monkeypatch, tmp_path, log):
    """Databases dropped, bucket emptied; then runs, artifacts, models and users are as before."""
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": S3_KEYS["AWS_ACCESS_KEY_ID"],
        "S3_SECRET_KEY_FILE": str(stack.folder / "s3"),
        "POSTGRES": "", "PGHOST": "127.0.0.1", "PGUSER": "mlflow",
        "PGPORT": str(stack.postgres.port), "BUCKET": BUCKET,
        "BUCKET_TOOL": f"{sys.executable} {DEPLOY / 'tracking/copy_bucket.py'}",
        "MLFLOW_S3_ENDPOINT_URL": stack.s3_uri,
    }  # fmt: skip
    before = everything(stack, ana, monkeypatch)
    backup = tmp_path / "a backup"
    run(DEPLOY / "scripts/backup.sh", backup, env=environment)
    stack.stop_tracking()
    for database in ("mlflow", "mlflow_auth"):
        stack.postgres.execute(f"DROP DATABASE {database} WITH (FORCE)")
        stack.postgres.execute(f"CREATE DATABASE {database}")
    for key in stack.stored():
        stack.bucket().delete_object(Bucket=BUCKET, Key=key)
    damaged = tmp_path / "damaged"
    shutil.copytree(backup, damaged)
    with (damaged / "bucket.tar").open("r+b") as file:
        file.write(b"x")
    refused = subprocess.run(
        [DEPLOY / "scripts/restore.sh", damaged], env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "nothing was changed" in refused.stderr
    assert stack.stored() == []
    run(DEPLOY / "scripts/restore.sh", backup, env=environment)
    stack.start_tracking()
    after = everything(stack, ana, monkeypatch)
    assert {*after["objects"].items()} ^ {*before["objects"].items()} == set()
    assert after == before
    size = sum(f.stat().st_size for f in Path(backup).iterdir()) / 2**20
    log(f"backup ({size:.1f} MiB) and restore: {len(before['objects'])} objects, "
        f"{len(before['runs'])} runs, users and aliases as before")  # fmt: skip


def everything(stack, member, monkeypatch) -> dict:
    client = member.sign_in(monkeypatch)
    bucket = stack.bucket()
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return {
        "runs": {r.info.run_id: (r.data.metrics, r.data.tags, r.info.status) for r in runs},
        "models": {m.name: m.aliases for m in client.search_registered_models()},
        "objects": {
            key: bucket.head_object(Bucket=BUCKET, Key=key)["ETag"] for key in stack.stored()
        },
    }

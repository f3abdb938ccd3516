"""Check the configuration, follow the model, and supervise the workers until a signal."""

import logging
import os
import re
import signal
import socket
import ssl
import threading
from pathlib import Path

from lunar_models.config.label import read_label_config
from lunar_models.config.serve import ServeConfig
from lunar_models.errors import ConfigError
from serving.app import logs
from serving.app.follower import Follower
from serving.app.metrics_folder import metrics_folder
from serving.app.release import Release
from serving.app.tokens import TokenStore
from serving.app.worker import bind
from serving.app.worker_pool import WorkerPool

_log = logging.getLogger(__name__)
_URI = re.compile(r"^[a-z0-9+.-]+:/")
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}
_RETURNED_FROM_BYTES = 4 * 2**20


def serve(config: ServeConfig) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP.

    Returns:
        Exit code: 0 after a signal, 1 when no worker can be started.

    Raises:
        ConfigError: no worker could serve with this configuration; the port is taken, or the
            address is not of this machine.
    """
    check(config)
    logs.configure(config.log_level)
    # Blocks as large as request bodies go back to the system when they are free.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(_RETURNED_FROM_BYTES))
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(_RETURNED_FROM_BYTES))
    reservation = _reserve(config.host, config.port)
    port = reservation.getsockname()[1]
    follower = Follower(config.model, Path(config.cache), config.poll_s)
    stop = threading.Event()
    _stop_on_signals(stop)
    scheme = "https" if config.tls_certificate else "http"
    url = f"{scheme}://{_EVERYWHERE.get(config.host, config.host)}:{port}/"
    with metrics_folder():
        threading.Thread(target=follower.run, args=(stop,), daemon=True).start()
        _log.info("serving", extra={"url": url, "model": config.model})
        pool = WorkerPool(config, follower.file, port, lambda: print(f"Open {url}", flush=True))
        try:
            return pool.keep(stop)
        finally:
            pool.dismiss()
            reservation.close()


def _stop_on_signals(stop: threading.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
            signal.signal(number, lambda *_: stop.set())


def check(config: ServeConfig) -> None:
    """Check the configuration for whatever would end every worker.

    Raises:
        ConfigError: the model's name, the labelling, the tokens, the mosaic or the certificate
            cannot be used.
        LunarModelsError: the release cannot be used.
    """
    if not _URI.match(config.model) and not Path(config.model).is_dir():
        raise ConfigError(
            f"model={config.model!r} is neither a folder nor a URI; a registered model is named "
            f"models:/{Path(config.model).name}@champion."
        )
    if config.tokens:
        TokenStore(Path(config.tokens))
    if config.labelling:
        read_label_config(config.labelling)
    mosaic = config.mosaic or "/vsi"
    if not (mosaic.startswith("/vsi") or "://" in mosaic or Path(mosaic).exists()):
        raise ConfigError(f"mosaic={mosaic} does not exist; give a raster file.")
    if config.release:
        Release.open(Path(config.release), digests=True)
    if config.tls_certificate:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                config.tls_certificate, config.tls_key
            )
        except OSError as error:
            raise ConfigError(
                f"tls_certificate={config.tls_certificate} and tls_key={config.tls_key} cannot be "
                f"used ({error.strerror or error}); give a PEM certificate and its PEM key."
            ) from error


def _reserve(host: str, port: int) -> socket.socket:
    """Reserve the port, which must be free although workers could share it with others."""
    try:
        if port:
            with socket.create_server((host, port), family=_family(host, port)):
                pass
        return bind(host, port)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be listened on ({error.strerror}); choose another --port."
        ) from error


def _family(host: str, port: int) -> socket.AddressFamily:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]

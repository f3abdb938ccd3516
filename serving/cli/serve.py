"""``lunar-serve``, ``python -m serving``: start the HTTP application."""

import sys

from lunar_models.config.serve import ServeConfig
from serving.cli.options import config_command


@config_command(ServeConfig, environment="LUNAR_SERVE")
def main(config: ServeConfig) -> None:
    """Serve a registered model over HTTP, with a page at /.

    Every option is also read from the environment: LUNAR_SERVE_PORT, LUNAR_SERVE_POLL_S, …
    """
    from serving.app.supervisor import serve

    sys.exit(serve(config))

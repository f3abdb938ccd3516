"""Options of the steps, made as the server's are: see `serving.cli.options`."""

from serving.cli.options import (
    NONE,
    UserError,
    add_options,
    from_text,
    option_name,
    options_from,
    to_text,
    user_errors,
)
from serving.cli.options import ParameterType as click_type

__all__ = [
    "NONE",
    "UserError",
    "add_options",
    "click_type",
    "from_text",
    "option_name",
    "options_from",
    "to_text",
    "user_errors",
]

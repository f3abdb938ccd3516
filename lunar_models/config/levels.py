"""Check the levels of intervals."""

from lunar_models.errors import ConfigError

DEFAULT_LEVELS = (0.68, 0.95)


def check_levels(levels: tuple[float, ...]) -> None:
    """Raise ConfigError if a level of an interval is not above 0 and at most 0.99."""
    for level in levels:
        if not 0.0 < level <= 0.99:
            raise ConfigError(
                f"interval_levels has {level:g}; a level lies above 0 and reaches 0.99 at most."
            )

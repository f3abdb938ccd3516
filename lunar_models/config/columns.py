"""Define how a parameter names the columns of a catalogue."""

from lunar_models.errors import ConfigError


def parse_columns(text: str | None) -> dict[str, str] | None:
    """Turn ``ours=THEIRS,…`` into a mapping from our names to the table's; None stays None.

    Raises:
        ConfigError: it is not a list of NAME=NAME.
    """
    if text is None:
        return None
    pairs = [item.split("=", 1) for item in text.split(",")]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ConfigError(f"columns={text!r} is not like crater_id=NAME,longitude_deg=NAME,…")
    return {ours.strip(): theirs.strip() for ours, theirs in pairs}

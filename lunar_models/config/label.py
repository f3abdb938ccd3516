"""Define the parameters of labelling by eye: what is asked, of whom, and where the answers go."""

from pathlib import Path
from typing import Literal

import yaml

from lunar_models.config.base import StepConfig, param, specs
from lunar_models.config.serve import ServeConfig
from lunar_models.errors import ConfigError

_SERVE = {spec.name: spec for spec in specs(ServeConfig)}


class LabelConfig(StepConfig):
    """The craters, the scheme and the design of the labelling."""

    crops: str = param(help="Crop set folder made by preprocess.", role="input")
    store: str = param(
        "labels.db",
        help="Where votes are kept: a SQLite file, or a URL postgresql+psycopg://user@host/name.",
        role="output",
    )
    scheme: str | None = param(
        None,
        help="YAML file of the labelling scheme; none: New, Semi-New, Semi-Old, Old.",
        role="input",
    )
    order: str | None = param(
        None,
        help="CSV whose CRATER_ID column lists the craters to label, first to last, followed when "
        "it changes; none: all of the crop set in random order.",
        role="input",
    )
    reference: str | None = param(
        None,
        help="Label table of craters that are shown as examples of each state, never asked about.",
        role="input",
    )
    gold: str | None = param(
        None,
        help="Label table of craters with a known answer, on which each labeller trains first.",
        role="input",
    )
    guesses: str | None = param(
        None,
        help="Table of a model's states, shown after an answer on request; never before it.",
        role="input",
    )
    mosaic: str | None = param(
        None, help="Mosaic from which the surroundings of a crater are cut.", role="input"
    )
    double_share: float = param(
        0.3,
        help="Fraction of craters labelled by two people, each blind to the other.",
        minimum=0,
        maximum=1,
    )
    repeat_share: float = param(
        0.1,
        help="Fraction of craters shown again to the same person, unannounced.",
        minimum=0,
        maximum=1,
    )
    repeat_gap: int = param(
        30,
        help="Minimum number of answers before a crater is shown again; the maximum is twice that.",
        minimum=1,
        maximum=100_000,
    )
    gold_count: int = param(
        10, help="Number of gold craters in each labeller's training.", minimum=0, maximum=1000
    )
    lease_h: float = param(
        2.0,
        help="Time for which a crater that was handed out is kept from others.",
        unit="h",
        minimum=0.01,
        maximum=240,
    )
    seed: int = param(0, help="Seed of order, double labels and repeats.", minimum=0)
    relabel_encoder: str | None = param(
        None,
        help="Encoder (pretrained:NAME, a registered model URI or a folder) of the head that the "
        "page's button fits on the labels, for those who adjudicate; none: the button shows the "
        "command to run.",
    )


def read_label_config(path: str | Path) -> LabelConfig:
    """Read the parameters of a labelling from a YAML file of names and values.

    Raises:
        ConfigError: the file cannot be read, or a parameter is refused.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"labelling={path} cannot be read ({error}); give a YAML file such as 'crops: folder'."
        ) from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ConfigError(f"labelling={path} has no names and values; begin with 'crops: folder'.")
    return LabelConfig(**content)


class LabelServeConfig(LabelConfig):
    """Labelling, and the address of its own server."""

    host: str = _SERVE["host"].declare("127.0.0.1")
    port: int = _SERVE["port"].declare(5001)
    tokens: str | None = param(
        None,
        help="File of hashed tokens (see lunar-token): one per person, with the scope label, and "
        "adjudicate for those who decide; none: everybody is the same labeller, 'local'.",
        role="runtime",
    )
    tls_certificate: str | None = _SERVE["tls_certificate"].declare(None)
    tls_key: str | None = _SERVE["tls_key"].declare(None)
    log_level: str = param("info", help="Log level: info, warning or error.", role="runtime")


class ExportConfig(StepConfig):
    """Which labels go where."""

    store: str = param("labels.db", help="Store of the votes: a file or a URL.", role="input")
    output: str = param(help="File to write.", role="output")
    form: Literal["labels", "votes", "label_studio", "degree", "looks"] = param(
        "labels",
        help="labels: CSV with CRATER_ID,state for evaluate; votes: Parquet of all votes; "
        "label_studio: JSON; degree: CSV with degree and second reader; looks: Parquet of who was "
        "shown what about a crater, and when.",
    )
    scheme: str = param("degradation", help="Name of the scheme whose votes are written.")
    image_url: str = param(
        "/data/local-files/?d={crater_id}.png",
        help="Where Label Studio finds a crop; {crater_id} is replaced.",
    )


class ImportConfig(StepConfig):
    """Labels from elsewhere."""

    source: str = param(help="File to read.", role="input")
    store: str = param("labels.db", help="Store of the votes: a file or a URL.", role="output")
    form: Literal["labels", "votes", "label_studio", "degree"] = param(
        "labels", help="Form of the file, as export writes it."
    )
    labeller: str = param(
        "imported", help="Who gave the labels, where the file does not say.", role="setting"
    )
    scheme: str | None = param(
        None,
        help="YAML file of the labelling scheme; none: New, Semi-New, Semi-Old, Old.",
        role="input",
    )

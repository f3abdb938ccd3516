"""Write an encoder as a Hugging Face repository: weights, configuration, preprocessing, card."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lunar_models.encoders.checkpoint import CONFIG_FILE, EXCHANGED_WEIGHTS_FILE, Checkpoint
from lunar_models.encoders.interchange.onnx_file import TOLERANCE, difference, write_onnx
from lunar_models.encoders.interchange.program import CropsIn
from lunar_models.encoders.pretrained import CARD_FILE
from lunar_models.errors import ConfigError

PREPROCESSOR_FILE = "preprocessor_config.json"
ONNX_FILE = "model.onnx"
_OUTPUTS = {
    "embedding": "(N, {dim}) float32",
    "score": "(N,) degradation, 0 the freshest to 1 the most worn",
    "score_deviation": "(N,) one standard deviation of the score",
    "physics": "(N, 2, 2) natural logarithms of K/R² and of depth over diameter; mean, deviation",
}


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    onnx_difference: float | None
    """Of ONNX Runtime from torch, see `onnx_file.difference`; None without ONNX."""


def export_encoder(
    checkpoint: Checkpoint, folder: Path, *, title: str, card: str | None = None, onnx: bool = True
) -> Exported:
    """Write the repository; `Checkpoint.load` reads it again.

    model.safetensors          weights
    config.json                family, its arguments, and all that a checkpoint has
    preprocessor_config.json   how crops must be made
    README.md                  card, with its YAML header
    model.onnx                 crops in, embedding out; the normalisation is inside

    Args:
        checkpoint: the encoder.
        folder: made if missing.
        title: of the card.
        card: text for the card, such as the model card of a pretrained encoder.
        onnx: write ONNX too.

    Raises:
        ConfigError: ONNX needs packages that are missing, or its numbers are not those of torch.
    """
    checkpoint.save(folder, weights_file=EXCHANGED_WEIGHTS_FILE)
    family = checkpoint.encoder.name
    config = json.loads((folder / CONFIG_FILE).read_text())
    described = {
        "architectures": [type(checkpoint.encoder).__name__],
        "model_type": family,
        "hidden_size": checkpoint.encoder.embedding_dim,
    }
    _write(folder / CONFIG_FILE, {**config, **described})
    _write(folder / PREPROCESSOR_FILE, _preprocessing(checkpoint))
    module = CropsIn(checkpoint)
    found = None
    if onnx:
        write_onnx(module, folder / ONNX_FILE)
        found = difference(module, folder / ONNX_FILE)
        if not found <= TOLERANCE:
            (folder / ONNX_FILE).unlink()
            raise ConfigError(
                f"ONNX Runtime differs from torch by {found:g} for encoder={family}, more than "
                f"{TOLERANCE:g}; the file was removed. Export with onnx=false."
            )
    (folder / CARD_FILE).write_text(_card(module, title, card, found))
    return Exported(folder, found)


def _preprocessing(checkpoint: Checkpoint) -> dict[str, Any]:
    """Of crops, under the names of Hugging Face where there are any."""
    side = checkpoint.encoder.crop_size_px
    return {
        "image_processor_type": "LunarCropProcessor",
        "size": {"height": side, "width": side},
        "num_channels": 1,
        "do_rescale": False,
        "context_diameters": checkpoint.context_diameters,
        "highpass_sigma_px": checkpoint.highpass_sigma_px,
        "sun_azimuth_deg": 90.0,
        "alignment": checkpoint.alignment,
        "normalisation": checkpoint.normalisation.to_dict(),
        "contrast_of_each_crop_set": checkpoint.encoder.adapts,
    }


def _card(module: CropsIn, title: str, card: str | None, found: float | None) -> str:
    header = {
        "license": "apache-2.0",
        "library_name": "lunar-models",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["moon", "craters", "planetary-science", *(["onnx"] if found is not None else [])],
    }
    side, dim = module.encoder.crop_size_px, module.encoder.embedding_dim
    names = module(*module.example(1))
    text = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n",
        card or f"# {title}\n\nLunar crater encoder of the family `{module.encoder.name}`.\n",
        "## Input and output of the exported model\n",
        f"- `crops`: (N, {side}, {side}) float32, brightness from 0 to 255 as crops are stored, "
        f"{module.encoder.context_diameters:g} crater diameters wide, Sun in the east (right).",
    ]
    if module.encoder.adapts:
        text.append(
            "- `contrast`: (1,) float32, of the mosaic: 6.5 times the median, over its crops, of "
            "the standard deviation of brightness over its mean."
        )
    if module.encoder.sees_brightness and module.normalisation.level is None:
        text.append(
            "- No mosaic was seen: the last column of the embedding, brightness in the mosaic, is "
            "0. The encoder of a model that was registered with a crop set has seen one."
        )
    text += [f"- `{name}`: {_OUTPUTS[name].format(dim=dim)}." for name in names]
    text += ["", "```python", "from lunar_models.encoders.checkpoint import Checkpoint", ""]
    text += ['encoder = Checkpoint.load("this folder").encoder', "```", ""]
    if found is not None:
        inputs = ", ".join(f'"{name}": {name}' for name in module.input_names)
        text += ["```python", "import onnxruntime", ""]
        text += [f'session = onnxruntime.InferenceSession("{ONNX_FILE}")']
        text += [f"embedding = session.run(['embedding'], {{{inputs}}})[0]", "```", ""]
        text += [f"ONNX Runtime differs from torch by {found:.1e} at most.", ""]
    return "\n".join(text)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")

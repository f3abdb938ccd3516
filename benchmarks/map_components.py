"""Give trained encoders of `inverse_rendering` the components of their feature maps.

    python -m benchmarks.map_components --encoder pretrained:craters-48 --output craters-48

`mlflow run . -e pretrain` fits them at its end; this does it for weights that were trained before
there were any, on as many simulated craters, and leaves everything else as it is.
"""

import argparse
import dataclasses

import torch

from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.inverse_rendering import RECIPE, InverseRenderingEncoder
from lunar_models.rendering.simulation import normalised, simulate_crops

BATCH = 256


def main() -> None:
    """Write the checkpoint folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--craters", type=int, default=20_000)
    options = parser.parse_args()
    checkpoint = Checkpoint.load(options.encoder)
    old = checkpoint.encoder
    if not isinstance(old, InverseRenderingEncoder):
        parser.error(f"{options.encoder} is a {old.name}, not inverse_rendering.")
    encoder = InverseRenderingEncoder(**old.arguments | RECIPE).eval()
    encoder.load_state_dict(old.state_dict(), strict=False)
    assert encoder.components is not None
    encoder.components.fit(_pooled(encoder, options.craters))
    dataclasses.replace(checkpoint, encoder=encoder).save(options.output)


@torch.inference_mode()
def _pooled(encoder: InverseRenderingEncoder, craters: int) -> torch.Tensor:
    """(N, ·) averages of the feature maps of simulated craters."""
    generator, looks = torch.Generator().manual_seed(0), []
    for _ in range(-(-craters // BATCH)):
        made = simulate_crops(
            BATCH,
            crop_size_px=encoder.crop_size_px,
            context_diameters=encoder.context_diameters,
            generator=generator,
        )
        scale = made.scale[:, 0]
        looks.append(encoder._look(normalised(made.brightness[:, 0], scale), scale).pooled)
    return torch.cat(looks)


if __name__ == "__main__":
    main()

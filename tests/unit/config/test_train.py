import pytest

from lunar_models.config.train import TrainConfig, encoder_label


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ({"latent_dim": 6}, "cae-d6"),
        ({"encoder": "polar_harmonics"}, "polar_harmonics"),
        ({"encoder": "vit_mae", "model_size": "small", "patch_size_px": 4}, "vit_mae-small-p4"),
        ({"encoder": "vit_mae", "pretrained": "facebook/vit-mae-base"}, "vit_mae-vit-mae-base"),
        ({"encoder": "backbone", "pretrained": "models/dinov2/"}, "backbone-dinov2"),
        ({"encoder": "ensemble", "members": ("pca", "a/b")}, "ensemble-of-2"),
    ],
)
def test_the_label_names_what_sizes_the_encoder(values: dict[str, object], label: str) -> None:
    assert encoder_label(TrainConfig(crops="", **values)) == label  # type: ignore[arg-type]

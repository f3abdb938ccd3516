from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.import_checkpoint import import_checkpoint
from lunar_models.errors import CheckpointError


class Original(nn.Module):
    """The autoencoder as the original pipeline had it."""

    def __init__(self, size: int, latent_dim: int = 6, batch_norm: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in [(1, 16), (16, 32), (32, 64), (64, 128)]:
            layers.append(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1))
            layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
            layers.append(nn.ReLU())
        side = {100: 7, 224: 14, 64: 4}[size]
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * side**2, latent_dim))
        self.decoder = nn.Sequential(nn.Linear(latent_dim, 128 * side**2))


@pytest.mark.parametrize("size", [100, 224])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_embeds_as_the_original_did(tmp_path: Path, size: int, batch_norm: bool) -> None:
    torch.manual_seed(0)
    original = Original(size, batch_norm=batch_norm).eval()
    torch.save(original.state_dict(), tmp_path / "autoencoder.pth")
    import_checkpoint(tmp_path / "autoencoder.pth").save(tmp_path / "taken_over")
    crops = np.random.default_rng(0).integers(0, 256, (3, size, size), dtype=np.uint8)
    ours = embed_crops(Checkpoint.load(tmp_path / "taken_over"), crops, device="cpu")
    with torch.no_grad():
        theirs = original.encoder(torch.from_numpy(crops)[:, None] / 255)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("widths", "kernel_px", "padding_px", "size", "batch_norm"),
    [
        ((16, 32), 3, 1, 100, False),  # what the original pipeline wrote
        ((16, 32), 3, 1, 100, True),
        ((8,), 5, 2, 100, False),
        ((4, 8, 16, 32, 64), 4, 1, 224, False),
        ((6, 5), 3, 0, 100, False),
    ],
)
def test_any_chain_of_convolutions(
    tmp_path: Path,
    widths: tuple[int, ...],
    kernel_px: int,
    padding_px: int,
    size: int,
    batch_norm: bool,
) -> None:
    """Latents are those that PyTorch computes from the same state dict, row by row."""
    torch.manual_seed(1)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((1, *widths)):
        layers.append(nn.Conv2d(inputs, outputs, kernel_px, stride=2, padding=padding_px))
        layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
        layers.append(nn.ReLU())
    features = nn.Sequential(*layers, nn.Flatten())(torch.zeros(2, 1, size, size)).shape[1]
    encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 20)).eval()
    model = nn.ModuleDict({"encoder": encoder, "decoder": nn.Linear(20, 3)})
    torch.save(model.state_dict(), tmp_path / "a.pth")
    import_checkpoint(tmp_path / "a.pth").save(tmp_path / "taken_over")
    crops = np.random.default_rng(0).integers(0, 256, (7, size, size), dtype=np.uint8)
    ours = embed_crops(Checkpoint.load(tmp_path / "taken_over"), crops, device="cpu")
    with torch.no_grad():
        theirs = encoder(torch.from_numpy(crops)[:, None] / 255).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 50 * 50, 6)],
        [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 25 * 25, 6)],
        [nn.Conv2d(1, 4, (3, 5)), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 50 * 50, 6)],
        [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 6)],
        [nn.Flatten(), nn.Linear(10_000, 6)],
    ],
)
def test_other_networks_are_refused(tmp_path: Path, layers: list[nn.Module]) -> None:
    torch.save(nn.ModuleDict({"encoder": nn.Sequential(*layers)}).state_dict(), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"holds the layers \d: .*only such an autoencoder"):
        import_checkpoint(tmp_path / "a.pth")


def test_another_crop_size_must_be_given(tmp_path: Path) -> None:
    torch.save(Original(64).state_dict(), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="not of 100 or 224 px; give crop_size_px=64"):
        import_checkpoint(tmp_path / "a.pth")
    assert import_checkpoint(tmp_path / "a.pth", crop_size_px=64).encoder.crop_size_px == 64


def test_a_whole_model_is_refused(tmp_path: Path) -> None:
    """A pickled module would run code on loading."""
    torch.save(Original(100), tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match="state dict alone"):
        import_checkpoint(tmp_path / "model.pth")


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no file"):
        import_checkpoint(tmp_path / "missing.pth")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(CheckpointError, match="damaged"):
        import_checkpoint(tmp_path / "cut.pth")
    torch.save({"encoder.0.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="1-16-32-64-128"):
        import_checkpoint(tmp_path / "other.pth")
    torch.save({"head.weight": torch.zeros(2, 2)}, tmp_path / "head.pth")
    with pytest.raises(CheckpointError, match="not an autoencoder"):
        import_checkpoint(tmp_path / "head.pth")


def test_what_is_no_state_dict(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        import_checkpoint(tmp_path)
    (tmp_path / "notes.pth").write_text("hello world\n")
    with pytest.raises(CheckpointError, match="damaged"):
        import_checkpoint(tmp_path / "notes.pth")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"encoder.0.weight": 5}, r"encoder\.0\.weight is of type int"),
        ({"encoder.1.foo": torch.zeros(2)}, r"encoder\.1 has no weight, only foo"),
        ({"encoder.2.bias": torch.full((32,), torch.nan)}, r"encoder\.2\.bias .* not finite"),
        ({"encoder.9.weight": torch.zeros(6, 130)}, "130 inputs fits no crop"),
    ],
)
def test_other_contents(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    torch.save(Original(100).state_dict() | changed, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(tmp_path / "a.pth")


def test_crops_of_another_size_than_the_model_takes(tmp_path: Path) -> None:
    torch.save(Original(100).state_dict(), tmp_path / "a.pth")
    expected = "takes crops of 97 to 112 px, not of 48 px; .* preprocess made with crop_size_px=100"
    with pytest.raises(CheckpointError, match=expected):
        import_checkpoint(tmp_path / "a.pth", crop_size_px=48)

import numpy as np
import pytest
import torch
from helpers import bowl_crops

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import (
    compute_outputs,
    embed_crops,
    measure_crops,
    reconstruct_crops,
    score_crops,
)
from lunar_models.encoders import batched
from lunar_models.encoders.build import build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.ensemble import EnsembleEncoder
from lunar_models.encoders.inference import inference_copy
from lunar_models.encoders.overlap import batch_size_for, run_overlapped
from lunar_models.encoders.precision import pick_device
from lunar_models.encoders.pretrained import pretrained_folder
from lunar_models.errors import ConfigError


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    config = TrainConfig(crops="", encoder="cae", latent_dim=5)
    return Checkpoint(build_encoder(config, crop_size_px=16))


def test_embeds_in_batches_in_the_order_of_the_crops(checkpoint: Checkpoint) -> None:
    crops, _ = bowl_crops(11, 16)
    done: list[int] = []
    embeddings = embed_crops(checkpoint, crops, batch_size=4, device="cpu", progress=done.append)
    assert done == [4, 4, 3]
    assert embeddings.shape == (11, 5)
    assert embeddings.dtype == np.float32
    one = embed_crops(checkpoint, crops[7:8], device="cpu")
    np.testing.assert_allclose(embeddings[7:8], one, atol=1e-6)


def test_reads_a_memory_map(checkpoint: Checkpoint, crop_set: CropSet) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(TrainConfig(crops="", latent_dim=5), crop_size_px=32)
    embeddings = embed_crops(Checkpoint.for_crops(encoder, crop_set), crop_set.crops)
    assert embeddings.shape == (60, 5)


def test_no_crops_give_an_empty_table(checkpoint: Checkpoint) -> None:
    assert embed_crops(checkpoint, np.empty((0, 16, 16), np.uint8)).shape == (0, 5)


def test_wrong_size_names_the_remedy(checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigError, match="crop_size_px=16"):
        embed_crops(checkpoint, bowl_crops(2, 24)[0])


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")
    for device in ("cuda", "mps"):
        with pytest.raises(ConfigError, match="device=auto"):
            pick_device(device)


@pytest.mark.parametrize("encoder", ["cae", "physics", "vit_mae", "polar_harmonics"])
def test_many_crops_give_what_few_give(encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The faster copy that many crops go through embeds the same."""
    torch.manual_seed(0)
    config = TrainConfig(crops="", encoder=encoder, latent_dim=5, patch_size_px=4)  # type: ignore[arg-type]
    chosen = build_encoder(config, crop_size_px=16)
    crops, _ = bowl_crops(20, 16)
    checkpoint = Checkpoint(chosen)
    if encoder != "polar_harmonics":
        chosen.train()
        chosen.loss(checkpoint.normalisation(torch.from_numpy(crops)))  # moves the batch norms
    few = embed_crops(checkpoint, crops, device="cpu")
    monkeypatch.setattr("lunar_models.encoders.batched.WORTH_PREPARING", 1)
    many = embed_crops(checkpoint, crops, device="cpu")
    np.testing.assert_allclose(many, few, atol=1e-5)
    copy = inference_copy(chosen)
    assert copy is not chosen
    if encoder != "polar_harmonics":
        assert inference_copy(copy) is copy
    rough = embed_crops(checkpoint, crops, device="cpu", precision="bf16")
    assert np.abs(rough - few).mean() < 0.05 * np.abs(few).mean() + 1e-3


def test_embedding_switches_training_off_and_on_again() -> None:
    torch.manual_seed(0)
    encoder = build_encoder(TrainConfig(crops="", encoder="cae", latent_dim=5), crop_size_px=16)
    crops = torch.from_numpy(bowl_crops(4, 16)[0])[:, None] / 255.0
    expected = encoder.eval().embed(crops)
    *_, part = encoder.modules()
    part.train()  # in training by itself
    for mode in (False, True):
        assert torch.equal(encoder.embed(crops), expected)
        assert all(module.training is mode for module in encoder.modules())
        encoder.train()


def test_scores_of_an_encoder_that_has_been_taught_them() -> None:
    torch.manual_seed(0)
    config = TrainConfig(crops="", encoder="physics", latent_dim=5)
    checkpoint = Checkpoint(build_encoder(config, crop_size_px=16))
    crops, _ = bowl_crops(11, 16)
    scores = score_crops(checkpoint, crops, batch_size=4, device="cpu")
    assert scores is not None
    assert scores.shape == (11, 2)
    embeddings = embed_crops(checkpoint, crops, device="cpu")
    np.testing.assert_allclose(scores[:, 0], embeddings[:, 0] / np.sqrt(12) + 0.5, atol=1e-5)
    assert (scores[:, 1] > 0).all()


def test_all_outputs_come_of_one_pass() -> None:
    checkpoint = Checkpoint.load(pretrained_folder("pretrained:craters-48"))
    passes: list[int] = []
    convolutions = checkpoint.encoder.network.convolutions  # type: ignore[union-attr]
    convolutions.register_forward_hook(lambda module, given, made: passes.append(len(made)))  # type: ignore[operator, union-attr]
    crops, _ = bowl_crops(130, 48)
    told = compute_outputs(checkpoint, crops, device="cpu")
    assert sum(passes) - 2 == 2 * 130  # upright and upside down; and a blank crop beforehand
    assert np.array_equal(told.embeddings, embed_crops(checkpoint, crops, device="cpu"))
    scores = score_crops(checkpoint, crops, device="cpu")
    physical = measure_crops(checkpoint, crops, device="cpu")
    assert scores is not None
    assert told.scores is not None
    assert physical is not None
    assert told.physical is not None
    assert np.array_equal(told.scores, scores)
    assert np.array_equal(told.physical.mean, physical.mean)
    assert np.array_equal(told.take(np.array([5])).embeddings, told.embeddings[5:6])


def test_an_ensemble_tells_the_score_of_its_first_member_that_knows_one() -> None:
    torch.manual_seed(0)
    config = TrainConfig(crops="", encoder="physics", latent_dim=5)
    members = [build_encoder(config, crop_size_px=16) for _ in range(2)]
    described = [{"encoder": "physics", "arguments": each.arguments} for each in members]
    ensemble = EnsembleEncoder(crop_size_px=16, members=described)
    crops = torch.rand(5, 1, 16, 16)
    told, score = ensemble.tell(crops), ensemble.degradation(crops)
    assert score is not None
    torch.testing.assert_close(told["score"], score[0], rtol=0, atol=0)
    torch.testing.assert_close(told["embedding"], ensemble.embed(crops), rtol=0, atol=0)


def test_no_scores_of_an_encoder_that_only_embeds(checkpoint: Checkpoint) -> None:
    assert score_crops(checkpoint, bowl_crops(3, 16)[0], device="cpu") is None


def test_reconstructions_come_with_what_was_hidden(checkpoint: Checkpoint) -> None:
    crops, _ = bowl_crops(3, 16)
    assert reconstruct_crops(checkpoint, crops)[2] is None
    config = TrainConfig(crops="", encoder="vit_mae", patch_size_px=4)
    masked = Checkpoint(build_encoder(config, crop_size_px=16))
    seen, rebuilt, hidden = reconstruct_crops(masked, crops)
    assert hidden is not None
    assert hidden.mean() == 0.75
    np.testing.assert_allclose(rebuilt[~hidden], seen[~hidden], atol=1e-5)
    np.testing.assert_array_equal(hidden, reconstruct_crops(masked, crops)[2])


def test_batches_worked_on_at_once_give_what_one_after_another_gives(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = checkpoint.encoder.crop_size_px
    crops = np.random.default_rng(5).integers(20, 230, (300, side, side), np.uint8)
    threads, done = torch.get_num_threads(), list[int]()
    try:
        torch.set_num_threads(3)
        several = embed_crops(checkpoint, crops, device="cpu", progress=done.append)
        assert torch.get_num_threads() == 3  # also after the workers had their shares
        monkeypatch.setattr(batched, "MOST_WORKERS", 1)
        one = embed_crops(checkpoint, crops, device="cpu")
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(several, one, atol=1e-5)
    assert sum(done) == 300


def test_overlapped_batches_are_read_ahead_and_stored_in_their_places() -> None:
    values = torch.arange(10.0)[:, None]
    stored = torch.full((10, 1), -1.0)
    events: list[str] = []

    def compute(batch: torch.Tensor) -> torch.Tensor:
        events.append(f"compute {int(batch[0])}")
        return 2.0 * batch

    def store(start: int, result: torch.Tensor) -> None:
        events.append(f"store {start}")
        stored[start : start + len(result)] = result

    starts = range(0, 10, 4)
    counts = list(run_overlapped(lambda s: values[s : s + 4], compute, store, starts))
    assert counts == [4, 4, 2]
    assert torch.equal(stored, 2.0 * values)
    assert events == [
        "compute 0", "compute 4", "store 0", "compute 8", "store 4", "store 8",
    ]  # fmt: skip
    assert list(run_overlapped(lambda s: values, compute, store, range(0))) == []


def test_error_of_a_reader_ends_the_loop() -> None:
    def read(start: int) -> torch.Tensor:
        raise OSError("ends before crop 3")

    with pytest.raises(OSError, match="crop 3"):
        list(run_overlapped(read, lambda b: b, lambda s, r: None, range(0, 8, 4)))


def test_batches_on_a_gpu_are_as_large_as_its_memory_allows(monkeypatch) -> None:
    gpu = torch.device("cuda")
    for free, side, size in ((70 << 30, 48, 4096), (70 << 30, 224, 512), (1 << 30, 224, 64)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 80 << 30))
        assert batch_size_for(gpu, side) == size
    assert batch_size_for(torch.device("cpu"), 48) == 64

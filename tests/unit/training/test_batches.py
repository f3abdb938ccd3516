from pathlib import Path

import numpy as np
import torch

from lunar_models.training.batches import pick_batches, read_batches, resident


def test_crops_that_lie_on_a_device_are_batched_as_those_of_a_file(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    np.save(tmp_path / "crops.npy", generator.integers(0, 255, (40, 6, 6)).astype(np.uint8))
    stored = np.load(tmp_path / "crops.npy", mmap_mode="r")
    batches = list(generator.permutation(40).reshape(5, 8))
    read = list(read_batches(stored, batches))
    picked = list(pick_batches(torch.from_numpy(np.array(stored)), batches))
    assert len(read) == len(picked) == 5
    for first, second in zip(read, picked, strict=True):
        assert torch.equal(first, second)
        assert first.shape == (8, 1, 6, 6)


def test_crops_of_a_training_on_a_cpu_stay_in_their_file() -> None:
    assert resident(np.zeros((4, 2, 2), np.uint8), torch.device("cpu")) is None

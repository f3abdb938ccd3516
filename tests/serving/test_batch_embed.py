"""A crop set is embedded in shards with the bytes of a run that was never interrupted."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from lunar_models.config.embed import EmbedConfig
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.pretrained import pretrained_folder
from lunar_models.errors import CropSetError
from serving.batch import embed
from serving.batch.embed import embed_crop_set, find_checkpoint
from serving.cli.batch import main


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """120 crops make two shards."""
    monkeypatch.setattr(embed, "SHARD_CROPS", 64)


def config(parts, output) -> EmbedConfig:
    return EmbedConfig(
        crops=str(parts.crop_set.path),
        encoder_uri=str(parts.encoder),
        output=str(output),
        workers=1,
        device="cpu",
    )


def test_embeddings_are_those_of_the_encoder(parts, tmp_path):
    output = tmp_path / "embeddings.parquet"
    seen = []
    made = embed_crop_set(config(parts, output), parts.encoder, report=lambda *n: seen.append(n))
    assert seen == [(64, 120), (120, 120)]
    table = pd.read_parquet(made)
    assert list(table["crater_id"]) == list(parts.crop_set.metadata["crater_id"])
    expected = embed_crops(Checkpoint.load(parts.encoder), parts.crop_set.crops, device="cpu")
    np.testing.assert_allclose(np.stack(table["embedding"]), expected, rtol=1e-5, atol=1e-6)
    assert not output.with_name(output.name + ".partial").exists()


def test_resumes_with_the_same_bytes_and_makes_damaged_shards_anew(
    parts, bundle_folder, tmp_path, monkeypatch
):
    whole = embed_crop_set(config(parts, tmp_path / "whole.parquet"), parts.encoder)
    output = tmp_path / "part.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(embed, "write_embeddings", None)  # fails when all shards are there
        with pytest.raises(TypeError):
            embed_crop_set(config(parts, output), parts.encoder)
    shard = tmp_path / "part.parquet.partial" / "00001.npy"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(CropSetError, match="other crops or another encoder"):
        embed_crop_set(config(parts, output), bundle_folder)
    embed_crop_set(config(parts, output), parts.encoder)
    assert output.read_bytes() == whole.read_bytes()


def test_command_takes_a_service_model(parts, bundle_folder, tmp_path):
    assert find_checkpoint(str(bundle_folder)) == bundle_folder / "encoder"
    options = {
        "--crops": parts.crop_set.path,
        "--encoder_uri": bundle_folder,
        "--output": tmp_path / "e.parquet",
        "--workers": 1,
    }
    arguments = [str(part) for pair in options.items() for part in pair]
    result = CliRunner().invoke(main, ["embed", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert len(pd.read_parquet(tmp_path / "e.parquet")) == 120


def test_command_takes_an_encoder_of_the_package():
    assert find_checkpoint("pretrained:craters-48") == pretrained_folder("pretrained:craters-48")


@pytest.fixture
def embedded(parts, tmp_path, monkeypatch):
    """Embeddings that are there; no shard may be computed any more."""
    made = embed_crop_set(config(parts, tmp_path / "e.parquet"), parts.encoder)
    monkeypatch.setattr(embed, "embed_crops", None)
    return made


def test_finished_output_of_the_same_is_kept(parts, embedded):
    before = embedded.read_bytes()
    left = embedded.with_name("e.parquet.partial")
    left.mkdir()  # as a run leaves it that is killed at the very end
    assert embed_crop_set(config(parts, embedded), parts.encoder) == embedded
    assert embedded.read_bytes() == before
    assert not left.exists()


def test_output_of_something_else_is_not_overwritten(parts, taught, embedded, tmp_path):
    before = embedded.read_bytes()
    with pytest.raises(CropSetError, match=r"made of another encoder; delete it or choose"):
        embed_crop_set(config(parts, embedded), taught / "encoder")
    crops = tmp_path / "crops"
    shutil.copytree(parts.crop_set.path, crops)
    metadata = pd.read_parquet(crops / "metadata.parquet")
    fewer = config(parts, embedded).replace(crops=str(crops))
    said = json.loads((crops / "crop_set.json").read_text())
    (crops / "crop_set.json").write_text(json.dumps(said | {"digest": "0" * 64}))
    assert len(metadata) == 120
    with pytest.raises(CropSetError, match=r"made of another crops; delete it or choose"):
        embed_crop_set(fewer, parts.encoder)
    assert embedded.read_bytes() == before


def test_output_that_embed_did_not_make_is_not_overwritten(parts, tmp_path):
    other = tmp_path / "thesis.parquet"
    pd.DataFrame({"crater_id": ["a"]}).to_parquet(other)
    text = tmp_path / "notes.parquet"
    text.write_text("precious")
    for file, said in ((other, "does not say what it was made of"), (text, "damaged")):
        before = file.read_bytes()
        with pytest.raises(CropSetError, match=rf"{said}.*; delete it or choose another output"):
            embed_crop_set(config(parts, file), parts.encoder)
        assert file.read_bytes() == before


def test_damaged_output_is_told(parts, embedded):
    content = bytearray(embedded.read_bytes())
    content[len(content) // 3] ^= 1
    embedded.write_bytes(content)
    with pytest.raises(CropSetError, match=r"is there and damaged .*; delete it or choose"):
        embed_crop_set(config(parts, embedded), parts.encoder)


@pytest.mark.parametrize("shards", [1, 3])
def test_bytes_do_not_depend_on_the_shards_nor_on_a_kill(parts, tmp_path, monkeypatch, shards):
    """120 crops, in batches of 20: shards of whole batches."""
    monkeypatch.setattr("lunar_models.encoders.overlap._LEAST", 20)
    monkeypatch.setattr(embed, "SHARD_CROPS", 60)
    whole = embed_crop_set(config(parts, tmp_path / "whole.parquet"), parts.encoder)
    monkeypatch.setattr(embed, "SHARD_CROPS", 120 // shards)
    output = tmp_path / "part.parquet"

    def killed(done, count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_crop_set(config(parts, output), parts.encoder, report=killed)
    kept = list((tmp_path / "part.parquet.partial").glob("*.npy"))
    assert len(kept) == 1
    computed = []
    run = embed.embed_crops

    def counting(checkpoint, crops, **settings):
        computed.append(len(crops))
        return run(checkpoint, crops, **settings)

    monkeypatch.setattr(embed, "embed_crops", counting)
    embed_crop_set(config(parts, output), parts.encoder)
    assert sum(computed) == 120 - 120 // shards
    assert output.read_bytes() == whole.read_bytes()

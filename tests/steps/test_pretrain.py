"""The pretrain step, and what the steps after it make of an encoder that knows physics."""

import io

import mlflow
import numpy as np
import pandas as pd
import pytest
from crop_images import item
from helpers import make_crop_set_folder

from lunar_models.config.pretrain import PretrainConfig
from lunar_models.embedding import measure_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.terms import STATE_NAMES
from lunar_models.training.pretraining import pretrain as train
from serving.model.classify import classify
from serving.model.schema import ModelAnswer, Options
from steps.cluster import main as cluster
from steps.evaluate import main as evaluate
from steps.pretrain import main as pretrain
from steps.register import main as register
from steps.train import main as train_pca


@pytest.fixture
def crop_set(tmp_path):
    return make_crop_set_folder(tmp_path / "crops", n=120, size=32)


SMALL = {
    "crop_size_px": 24,
    "latent_dim": 8,
    "steps": 4,
    "batch_size": 16,
    "replay": 512,
    "calibration": 256,
}


@pytest.fixture(scope="module")
def encoder_uri(tmp_path_factory):
    """The folder of an encoder that has learned next to nothing, but is calibrated."""
    folder = tmp_path_factory.mktemp("pretraining")
    (result,) = train(PretrainConfig(**SMALL, output=str(folder)))
    result.checkpoint.save(folder / "encoder")
    return folder / "encoder"


def write_depths(crop_set, encoder_uri, folder):
    """Depths that are two fifths of those predicted, of all craters and of the first 40."""
    checkpoint = Checkpoint.load(encoder_uri).adapted_to(crop_set)
    depth = 0.4 * np.exp(measure_crops(checkpoint, crop_set.crops).mean[:, 1])
    table = pd.DataFrame({"CRATER_ID": crop_set.metadata["crater_id"], "d_over_D": depth})
    table.to_csv(folder / "depths.csv", index=False)
    table.iloc[:40].to_csv(folder / "some.csv", index=False)
    return folder / "depths.csv", folder / "some.csv"


@pytest.fixture
def depths(crop_set, encoder_uri, tmp_path):
    return write_depths(crop_set, encoder_uri, tmp_path)


def artifact(run, name):
    return mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{name}")


def test_pretrain_logs_its_figures(run_step, last_run, tmp_path):
    assert run_step(pretrain, **SMALL, output=tmp_path / "here").exit_code == 0
    run = last_run()
    assert run.data.tags["output.encoder_uri"].startswith("models:/")
    assert run.info.status == "FINISHED"
    assert 0.3 < run.data.metrics["physics/depth_over_diameter_coverage_68"] < 1.0
    assert "train/regression" in run.data.metrics


def test_networks_of_one_run_are_told_apart(run_step, last_run, tmp_path):
    done = run_step(
        pretrain, **SMALL, networks="large,student", output=tmp_path / "several",
        registered_model="several",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    run = last_run()
    sizes = {}
    for name in ("0-large", "1-student"):
        assert run.data.tags[f"output.encoder_uri.{name}"].startswith("models:/")
        assert 0.3 < run.data.metrics[f"{name}/physics/depth_over_diameter_coverage_68"] < 1.0
        encoder = Checkpoint.load(tmp_path / "several" / "encoder" / name).encoder
        sizes[name] = encoder.model_size
        assert sum(p.numel() for p in encoder.state_dict().values()) == pytest.approx(
            run.data.metrics[f"{name}/encoder/parameters"]
        )
    assert sizes == {"0-large": "large", "1-student": "small"}
    assert "train/1-student/imitation" in run.data.metrics
    assert len(mlflow.MlflowClient().search_model_versions("name = 'several'")) == 2


def test_a_student_without_a_teacher(run_step, tmp_path):
    done = run_step(pretrain, **SMALL, networks="student", output=tmp_path / "alone")
    assert done.exit_code == 2
    assert "large before it" in done.output


def test_states_and_quantities_without_a_label(encoder_uri, crop_set, run_step, last_run):
    done = run_step(cluster, crops=crop_set.path, encoder_uri=encoder_uri, views="none",
                    stability_rounds=0, interval_levels="0.5,0.9")  # fmt: skip
    assert done.exit_code == 0
    table = pd.read_csv(io.StringIO(artifact(last_run(), "tables/clusters.csv")))
    assert set(table["state"]) <= {1, 2, 3, 4}
    named = np.array(STATE_NAMES)[table["state"] - 1]
    assert (table["state_name"] == named).all()
    freshest = pd.read_csv(io.StringIO(artifact(last_run(), "tables/freshest.csv")))
    assert set(freshest["state_name"]) <= {*STATE_NAMES}
    assert table["encoder_degradation"].between(0, 1).all()
    square = (500 * table["diameter_km"]) ** 2
    np.testing.assert_allclose(table["k_m2"], table["k_over_r2"] * square, rtol=1e-3)
    for name in ("k_over_r2", "k_m2", "depth_over_diameter"):
        inner, outer = (table[f"{name}_high_{n}"] - table[f"{name}_low_{n}"] for n in (50, 90))
        assert (outer > inner).all()


def test_depths_are_judged_and_corrected(encoder_uri, crop_set, depths, run_step, last_run):
    measured, some = depths
    arguments = {"crops": crop_set.path, "encoder_uri": encoder_uri, "depths": measured}
    assert run_step(evaluate, **arguments).exit_code == 0
    plain = last_run().data.metrics
    assert plain["physics/measured"] == 120
    assert run_step(evaluate, **arguments, calibrate=some).exit_code == 0
    run = last_run()
    assert run.data.metrics["physics/measured"] == 80  # the others corrected the depths
    bias = "physics/depth_over_diameter_bias_dex"
    assert abs(plain[bias]) > 0.3
    assert abs(run.data.metrics[bias]) < 0.1
    names = [a.path for a in mlflow.MlflowClient().list_artifacts(run.info.run_id, "figures")]
    assert "figures/depth.png" in names
    assert len(pd.read_csv(io.StringIO(artifact(run, "tables/physics.csv")))) == 120


def test_served_model_takes_the_encoders_crops(encoder_uri, crop_set, run_step, last_run):
    name = "pretrained-alone"  # other tests take it that lunar-craters has a head
    done = run_step(register, crops=crop_set.path, encoder_uri=encoder_uri, service_model=name)
    assert done.exit_code == 0
    model = mlflow.pyfunc.load_model(last_run().data.tags["output.model"])
    assert model.unwrap_python_model() is not None


def test_measured_depths_reach_the_served_model(encoder_uri, tmp_path, run_step, last_run):
    """What evaluate tabulates with calibrate, the registered model answers."""
    crop_set = make_crop_set_folder(tmp_path / "same-size", n=60, size=SMALL["crop_size_px"])
    _, some = write_depths(crop_set, encoder_uri, tmp_path)
    run_step(evaluate, crops=crop_set.path, encoder_uri=encoder_uri, calibrate=some,
             interval_levels="0.5,0.9")  # fmt: skip
    table = pd.read_csv(io.StringIO(artifact(last_run(), "tables/physics.csv")))
    done = run_step(register, crops=crop_set.path, encoder_uri=encoder_uri, calibrate=some,
                    service_model="corrected", interval_levels="0.5,0.9")  # fmt: skip
    assert done.exit_code == 0
    version = mlflow.MlflowClient().get_model_version("corrected", "1")
    assert "corrected by measured ones of some.csv" in version.description
    model = mlflow.pyfunc.load_model(last_run().data.tags["output.model"])
    assert "calibrate_digest" in model.metadata.metadata["lineage"]
    bundle = model.unwrap_python_model().bundle
    items = [item(np.array(crop), sun_side="east", diameter_km=4.0) for crop in crop_set.crops[:9]]
    answers = classify(bundle, items, model=ModelAnswer(), options=Options())
    for answer, row in zip(answers, table.itertuples(), strict=False):
        told = answer.physics.depth_over_diameter
        assert told.value == pytest.approx(row.depth_over_diameter, rel=1e-3)
        assert told.intervals["90"].low == pytest.approx(row.depth_over_diameter_low_90, rel=1e-3)
        assert told.intervals["90"].high == pytest.approx(row.depth_over_diameter_high_90, rel=1e-3)
        assert answer.physics.k_over_r2.value == pytest.approx(row.k_over_r2, rel=1e-3)


def test_unknown_encoder_of_the_package(crop_set, run_step):
    done = run_step(cluster, crops=crop_set.path, encoder_uri="pretrained:nothing")
    assert done.exit_code == 2
    assert "pretrained:nothing" in done.output


def test_an_encoder_without_depths(crop_set, depths, run_step, last_run):
    run_step(train_pca, crops=crop_set.path, encoder="pca", latent_dim=5, registered_model="none")
    uri = last_run().data.tags["output.encoder_uri"]
    done = run_step(evaluate, crops=crop_set.path, encoder_uri=uri, depths=depths[0])
    assert done.exit_code == 2
    assert "predicts none" in done.output

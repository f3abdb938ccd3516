"""Which steps a pipeline runs, and with which inputs."""

import pytest

from lunar_models.errors import ConfigError
from steps.main import _run_name
from steps.shared.pipeline import (
    PIPELINE,
    STEP_NAMES,
    MainConfig,
    needed_steps,
    step_values,
    with_service_model,
)

STEPS = {step.name: step for step in PIPELINE}


def names(**values) -> list[str]:
    return [step.name for step in needed_steps(MainConfig(**values))]


def test_without_data_everything_runs_on_a_synthetic_moon():
    assert names() == list(STEP_NAMES)


def test_own_data_needs_no_synthetic_moon():
    assert names(mosaic=("m.tif",), catalogue="c.csv") == list(STEP_NAMES[1:])


def test_given_crops_need_no_preprocess_and_a_given_encoder_no_training():
    assert names(crops="data/crops") == ["train", "evaluate", "cluster", "register"]
    assert names(crops="data/crops", encoder_uri="models:/e/1") == [
        "evaluate",
        "cluster",
        "register",
    ]


def test_without_a_map_or_an_area_there_is_nothing_to_count_on():
    assert "analyse" not in names(crops="data/crops")
    assert names(crops="data/crops", area="area.gpkg")[-1] == "analyse"
    assert names(steps=("analyse",), table="t.csv", bounds_deg=(0.0, 0.0, 9.0, 9.0)) == ["analyse"]


def test_steps_are_switched_by_name():
    assert names(steps=("train", "evaluate"), crops="data/crops") == ["train", "evaluate"]
    assert names(steps=("train",), crops="data/crops") == ["train"]
    assert names(steps=("synthesize",)) == ["synthesize"]


@pytest.mark.parametrize("values", [{"mosaic": ("m.tif",)}, {"catalogue": "c.csv"}])
def test_mosaic_and_catalogue_go_together(values):
    with pytest.raises(ConfigError, match="go together"):
        MainConfig(**values)


def test_a_missing_feed_names_the_step_that_makes_it():
    config = MainConfig(steps=("evaluate",))
    with pytest.raises(ConfigError, match="needs crops: switch on step preprocess, or give crops"):
        step_values(STEPS["evaluate"], config, {})


def test_what_was_made_fills_what_was_not_given():
    made = {"preprocess.crops": "data/made", "train.encoder_uri": "models:/m-1"}
    values = step_values(STEPS["evaluate"], MainConfig(crops="data/mine"), made)
    assert values["crops"] == "data/mine"
    assert values["encoder_uri"] == "models:/m-1"
    assert "labels" not in values  # optional, and nobody made any


def test_a_list_parameter_is_fed_a_list():
    values = step_values(STEPS["preprocess"], MainConfig(), {
        "synthesize.mosaic": "m.tif", "synthesize.catalogue": "c.csv",
    })  # fmt: skip
    assert values["mosaic"] == ("m.tif",)


def test_runs_are_named_after_what_they_train():
    def name(**values) -> str:
        config = MainConfig(**values)
        return _run_name(config, needed_steps(config))

    assert name(diameter_max_km=5.0) == "cae-d20-1-5km-e25"
    assert name(encoder="pca") == "pca-d20-from-1km-e25"
    assert name(encoder="vit_mae") == "vit_mae-tiny-p8-from-1km-e25"
    assert name(crops="c", encoder_uri="models:/e/1") == "c-e-1"
    assert name(crops="c", encoder_uri="runs:/0123456789/encoder") == "c-run-01234567"
    maps = {"mosaic": ("maps/wac.tif",), "catalogue": "c.csv"}
    assert name(**maps, encoder_uri="pretrained:craters-48") == "wac-craters-48-from-1km"
    assert name(**maps, steps=("preprocess",)) == "wac-preprocess"
    assert name(crops="c", encoder_uri="e", n_clusters=7) == "c-e-n_clusters=7"
    assert name(mosaic=("maps/wac.tif",), catalogue="c.csv") == "wac-cae-d20-from-1km-e25"
    assert name(crops="data/mine", seed=3, normalisation="global") == (
        "mine-cae-d20-from-1km-e25-normalisation=global-seed=3"
    )


def test_a_synthetic_moon_has_a_served_model_of_its_own():
    def name(**values) -> str:
        config = MainConfig(**values)
        needed = needed_steps(config)
        settled = with_service_model(config, needed)
        made = {"train.encoder_uri": "m", "preprocess.crops": "c"}
        assert step_values(STEPS["register"], settled, made)["service_model"] == (
            settled.service_model
        )
        return settled.service_model

    assert name(encoder="pca") == "lunar-craters-demo"
    assert name(encoder="pca", mosaic=("m.tif",), catalogue="c.csv") == "lunar-craters"
    assert name(crops="data/crops") == "lunar-craters"
    assert name(service_model="mine") == "mine"

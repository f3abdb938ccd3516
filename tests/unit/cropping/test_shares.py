"""A crop set made in shares has the bytes of one made in one go, whatever happens on the way."""

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from planted_moon import crop_config

from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.cropping import crop_plan, extraction
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.cropping.shares import make_share
from lunar_models.cropping.storage.output_lock import output_lock
from lunar_models.errors import CropSetError, OutputBusyError
from lunar_models.synthetic.synthesize import synthesize


def _small_strips(level):
    return 128


SMALL = {"width_px": 900, "height_px": 900, "crater_count": 150, "diameter_max_km": 5.0}


@pytest.fixture(scope="module", autouse=True)
def many_strips():
    """Small strips, so that a small mosaic has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crop_plan, "strip_rows", _small_strips)
        yield


@pytest.fixture(scope="module")
def moon(tmp_path_factory):
    """Crops there are turned for the Sun, so each share samples twice."""
    folder = tmp_path_factory.mktemp("shares")
    return synthesize(
        SynthesizeConfig(
            output=str(folder), projection="north_polar", sun_azimuth_deg=20, seam_bands=3, **SMALL
        )
    )


def config(moon, output, **settings):
    return crop_config(
        moon.mosaic_path.parent,
        output,
        mosaic=(str(moon.mosaic_path),),
        catalogue=str(moon.catalogue_path),
        **{"crop_size_px": 32, "diameter_min_km": 1.0, "diameter_max_km": None, **settings},
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(moon, tmp_path_factory):
    crop_set = make_crop_set(config(moon, tmp_path_factory.mktemp("whole") / "crops"))
    assert (crop_set.metadata["rotation_deg"] != 0).any()
    return contents(crop_set.path)


@pytest.mark.parametrize("shares", [1, 3])
def test_bytes_are_those_of_a_run_in_one_go(moon, whole, tmp_path, shares):
    parameters = config(moon, tmp_path / "crops")
    for number in range(shares, 0, -1):
        seen = []
        make_share(parameters, number, shares, progress=lambda *n, seen=seen: seen.append(n))
        assert bool(seen) == (number == shares)  # the first to run did it all
    assert not (tmp_path / "crops").exists()
    sampled = []
    make_crop_set(parameters, progress=lambda done, total: sampled.append(total - done))
    assert set(sampled) == {0}
    assert contents(tmp_path / "crops") == whole
    make_share(parameters, 1, shares)  # a share that comes late leaves it as it is


def _share(parameters, number, kill_after):
    """Entry of a process: a share that may be killed after some segments."""
    crop_plan.strip_rows = _small_strips
    extraction_sample, count = extraction._sample_segment, [0]

    def dying(*arguments):
        extraction_sample(*arguments)
        count[0] += 1
        if count[0] == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    extraction._sample_segment = dying
    make_share(parameters, number, 3)


@pytest.mark.slow
def test_shares_at_once_of_which_one_is_killed(moon, whole, tmp_path):
    parameters = config(moon, tmp_path / "crops", workers=1)
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=_share, args=(parameters, n, 2 if n == 2 else 0))
               for n in (1, 2, 3)]  # fmt: skip
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    assert [process.exitcode for process in started] == [0, -signal.SIGKILL, 0]
    make_crop_set(parameters)
    assert contents(tmp_path / "crops") == whole


def test_a_share_killed_in_between_is_resumed(moon, whole, tmp_path, monkeypatch):
    parameters = config(moon, tmp_path / "crops")
    sample, done = extraction._sample_segment, []

    def dies(*arguments):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(arguments[4].number)
        sample(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "_sample_segment", dies)
        with pytest.raises(KeyboardInterrupt):
            make_share(parameters, 2, 3)
    again = []
    monkeypatch.setattr(
        extraction, "_sample_segment", lambda *a: (again.append(a[4].number), sample(*a))
    )
    make_share(parameters, 1, 3)
    assert not set(done) & set(again)
    make_crop_set(parameters)
    assert contents(tmp_path / "crops") == whole


def test_a_damaged_piece_is_sampled_again(moon, whole, tmp_path):
    parameters = config(moon, tmp_path / "crops")
    make_share(parameters, 1, 1)
    marker = tmp_path / "crops.partial" / "00001.measures.npy"
    marker.write_bytes(marker.read_bytes()[:100])
    # Its crops are turned already: what follows must not be the upright ones.
    make_crop_set(parameters)
    assert contents(tmp_path / "crops") == whole


def test_nobody_works_beside_a_run_in_one_go(moon, tmp_path):
    parameters = config(moon, tmp_path / "crops")
    with output_lock(parameters.output), pytest.raises(OutputBusyError):
        make_share(parameters, 1, 2)
    with output_lock(parameters.output, shared=True):
        with output_lock(parameters.output, shared=True):
            pass
        with pytest.raises(OutputBusyError):
            make_crop_set(parameters)


def test_other_parameters_do_not_delete_what_others_work_on(moon, tmp_path):
    make_share(config(moon, tmp_path / "crops"), 1, 2)
    before = contents(tmp_path / "crops.partial")
    with pytest.raises(CropSetError, match="other parameters"):
        make_share(config(moon, tmp_path / "crops", diameter_min_km=2.0), 2, 2)
    assert np.all([before[k] == v for k, v in contents(tmp_path / "crops.partial").items()])
    shutil.rmtree(tmp_path / "crops.partial")

"""One process at a time makes an output, and only one that can be published."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from planted_moon import crop_config, file_digests

from lunar_models.cropping.extraction import make_crop_set
from lunar_models.cropping.storage.output_lock import check_output, output_lock
from lunar_models.errors import CropSetError, OutputBusyError

HOLD = """
import sys, time
from lunar_models.cropping.storage.output_lock import output_lock
with output_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_held_output_is_refused_and_says_by_whom(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "out"], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("out", "link/out"):
        with (
            pytest.raises(OutputBusyError, match=f"process {holder.pid}"),
            output_lock(tmp_path / name),
        ):
            pass
    holder.send_signal(signal.SIGKILL)  # the kernel drops the lock of the dead
    holder.wait()
    with output_lock(tmp_path / "out"):
        pass
    assert not list(tmp_path.glob(".*lock"))


def test_only_one_holds_it_however_fast_they_come(tmp_path):
    inside, most = [], []

    def contend():
        for _ in range(200):
            try:
                with output_lock(tmp_path / "out"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except OutputBusyError:
                pass

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(contend) for _ in range(4)]:
            done.result()
    assert max(most) == 1
    assert len(most) > 200


def test_two_makers_of_one_crop_set(noise_moon, noise_crops, tmp_path):
    """The second one is refused while the first works, and gets its crop set afterwards."""
    config = crop_config(noise_moon, tmp_path / "crops")
    outcomes = []

    def second(done, total):
        if not outcomes:
            with pytest.raises(OutputBusyError, match="is being made by"):
                make_crop_set(crop_config(noise_moon, tmp_path / "crops"))
            outcomes.append("refused")

    made = make_crop_set(config, progress=second)
    assert outcomes == ["refused"]
    assert file_digests(made.path) == file_digests(noise_crops.path)
    assert make_crop_set(config).info == made.info


@pytest.mark.parametrize("partial", [False, True])
def test_links_are_refused_before_any_work(noise_moon, tmp_path, monkeypatch, partial):
    monkeypatch.setattr("lunar_models.cropping.extraction.plan_crops", None)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ("crops.partial" if partial else "crops")).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CropSetError, match=r"symbolic link to .*elsewhere"):
        make_crop_set(crop_config(noise_moon, tmp_path / "crops"))


def test_outputs_that_could_not_be_published(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "mount").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    monkeypatch.setattr(os.path, "ismount", lambda path: path.name == "mount")
    for name, what in [
        ("mount", "mount point"), ("file", "is a file"), ("file/below", "is a file"),
        ("dangling", "symbolic link"), ("n" * 300, "File name too long"),
    ]:  # fmt: skip
        with pytest.raises(CropSetError, match=what):
            check_output(tmp_path / name)
    with pytest.raises(CropSetError, match="no folder of its own"):
        check_output("/")
    check_output(tmp_path / "new" / "deep")

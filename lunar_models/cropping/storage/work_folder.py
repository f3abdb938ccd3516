"""Keep an unfinished crop set in a work folder, from which a killed run resumes.

A segment is the crops of one strip. ``00007.measures.npy`` appears when all of them are written;
`crops_file.py` says what else may lie beside ``crops.npy``.
"""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lunar_models.config.base import specs
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.storage.crops_file import CropsFile, save_whole
from lunar_models.crops.crop_set import CROPS_FILE, FORMAT_VERSION, INFO_FILE, CropSet
from lunar_models.errors import CropSetError, MosaicError, disk_errors
from lunar_models.mosaic.raster import Mosaic
from lunar_models.mosaic.source_files import source_digest, source_state

KEY_FILE = "key.json"


@dataclass(frozen=True)
class Segment:
    """The craters of one strip of one mosaic: positions start to stop among all."""

    number: int
    mosaic: int
    strip: int
    start: int
    stop: int

    @property
    def count(self) -> int:
        """How many craters."""
        return self.stop - self.start


@dataclass(frozen=True)
class WorkFolder:
    """``<output>.partial``: the crops, and what tells how far they are."""

    path: Path
    output: Path
    crops: CropsFile
    shared: bool = False
    """Whether other processes write there, too, perhaps on other machines."""

    @classmethod
    def prepare(
        cls,
        config: PreprocessConfig,
        mosaics: tuple[Mosaic, ...],
        *,
        count: int,
        shared: bool = False,
    ) -> "WorkFolder":
        """Open the folder and reserve space for `count` crops.

        What another run with other parameters or sources left there is deleted, unless the folder
        is shared.

        Raises:
            CropSetError: the disk is full or not writable, or others may be at work there with
                other parameters.
        """
        output = Path(config.output)
        path = output.with_name(output.name + ".partial")
        crops = CropsFile(path / CROPS_FILE, config.crop_size_px)
        key = json.dumps(work_key(config, mosaics), sort_keys=True)
        key_file = path / KEY_FILE
        with disk_errors(path):
            if path.exists() and not (key_file.is_file() and key_file.read_bytes() == key.encode()):
                if shared:
                    raise CropSetError(
                        f"{path} holds work of other parameters or sources; delete it if nobody "
                        "works there, or choose another output."
                    )
                shutil.rmtree(path)
            path.mkdir(parents=True, exist_ok=True)
            if not key_file.exists():
                fresh = key_file.with_suffix(".new")
                fresh.write_text(key)
                os.replace(fresh, key_file)
            crops.allocate(count)
        return cls(path, output, crops, shared)

    def is_sampled(self, segment: Segment) -> bool:
        """Return whether nothing is left to sample; a damaged marker is deleted, and means no."""
        marker = self._marker(segment)
        if not marker.exists():
            return False
        try:
            whole = len(np.load(marker, allow_pickle=False)) == segment.count
        except (ValueError, TypeError, EOFError, OSError):
            whole = False
        if not whole:
            marker.unlink(missing_ok=True)
        return whole

    def mark_sampled(self, segment: Segment, measures: npt.NDArray[np.float32]) -> None:
        """Store a segment's measures, (n, M) float32, once all its crops are written."""
        save_whole(self._marker(segment), measures)

    def forget_from(self, number: int) -> None:
        """Let segments from a number on be sampled again: those of the second sampling."""
        for marker in self.path.glob("*.measures.npy"):
            if int(marker.name.split(".")[0]) >= number:
                marker.unlink(missing_ok=True)

    def load_measures(self, segments: list[Segment]) -> npt.NDArray[np.float32]:
        """Return (N, M) float32: `measures.MEASURES` of all crops."""
        return np.concatenate([np.load(self._marker(s), allow_pickle=False) for s in segments])

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left but to publish: all of the crop set stands in the folder."""
        return (self.path / INFO_FILE).exists()

    def publish(self) -> CropSet:
        """Delete the work files and give the folder its final name."""
        for file in self.path.iterdir():
            if file.suffix == ".new" or file.name[:5].isdigit():
                file.unlink()
        CropSet.open(self.path).check_bytes()
        os.replace(self.path, self.output)
        (self.output / KEY_FILE).unlink()  # last: without it a killed run would start afresh
        return CropSet.open(self.output)

    def claim_file(self, segment: Segment) -> Path:
        """Return the file by whose lock a process claims a segment."""
        return self.path / f"{segment.number:05d}.claim"

    def _marker(self, segment: Segment) -> Path:
        return self.path / f"{segment.number:05d}.measures.npy"


def resolved_settings(config: PreprocessConfig) -> dict[str, Any]:
    """List the parameters that determine the crop set: all but output and workers."""
    values = config.model_dump()
    kept = [spec.name for spec in specs(type(config)) if spec.role in ("setting", "input")]
    settings: dict[str, Any] = json.loads(json.dumps({name: values[name] for name in kept}))
    return settings


def source_files(config: PreprocessConfig, mosaics: tuple[Mosaic, ...]) -> list[str]:
    """List the catalogue, the azimuth map and every file of every mosaic, each once."""
    files = [config.catalogue, *(f for m in mosaics for f in m.files)]
    return list(dict.fromkeys([*files, *filter(None, [config.sun_azimuth_map])]))


def source_digests(config: PreprocessConfig, mosaics: tuple[Mosaic, ...]) -> dict[str, str]:
    """sha256 of every source file, by its path."""
    return {path: source_digest(path) for path in source_files(config, mosaics)}


def find_finished(config: PreprocessConfig, mosaics: tuple[Mosaic, ...]) -> CropSet | None:
    """Find a finished crop set of the same parameters and sources; None if there is none.

    Raises:
        CropSetError: something else is there.
    """
    output = Path(config.output)
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    remedy = "Delete it or choose another output."
    try:
        crop_set = CropSet.open(output)
    except CropSetError as error:
        raise CropSetError(f"{output} exists and cannot be reused: {error} {remedy}") from error
    with suppress(OSError):  # left by a run that was killed while publishing
        (output / KEY_FILE).unlink()
    here, wanted = crop_set.info.preprocess, resolved_settings(config)
    inputs = [spec.name for spec in specs(type(config)) if spec.role == "input"]
    different = [n for n in wanted if n not in inputs and here.get(n) != wanted[n]]
    if different:
        raise CropSetError(
            f"{output} was made with another {', '.join(different)}: "
            f"{different[0]}={here.get(different[0])!r}, now {wanted[different[0]]!r}. {remedy}"
        )
    digests = source_digests(config, mosaics)
    if sorted(crop_set.info.sources.values()) != sorted(digests.values()):
        raise CropSetError(f"{output} was made from other files than those given. {remedy}")
    crop_set.check_bytes()
    return crop_set


def check_unchanged(
    work: WorkFolder, config: PreprocessConfig, mosaics: tuple[Mosaic, ...]
) -> None:
    """Check that no source changed, vanished or shrank while it was read.

    Raises:
        MosaicError: one did; what was sampled is worthless, and the next run starts afresh.
    """
    try:
        same = work_key(config, mosaics) == json.loads((work.path / KEY_FILE).read_text())
    except FileNotFoundError as error:
        raise MosaicError(f"{error.filename} vanished while it was read; restore it.") from error
    if not same:
        raise MosaicError(
            f"{', '.join(source_files(config, mosaics))}: one of these changed while it was read; "
            "start again when all are complete."
        )


def work_key(config: PreprocessConfig, mosaics: tuple[Mosaic, ...]) -> dict[str, Any]:
    """Return what unfinished work must match to be resumed: parameters and source states."""
    return {
        "format_version": FORMAT_VERSION,
        "parameters": resolved_settings(config),
        "files": {path: source_state(path) for path in source_files(config, mosaics)},
    }

"""Sample one share of a crop set: any number of processes, on any machines, fill one work folder.

The segments of `extraction` are the pieces of work. A process claims a segment by a lock that the
kernel drops when it dies, so each is sampled once whatever happens. First a share takes its own,
then those that nobody has done, from the far end; so shares that run together divide the work,
and a single one does it all. `make_crop_set` with the same parameters then assembles and
publishes, and samples what is still missing.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.crop_plan import CropPlan, plan_crops
from lunar_models.cropping.extraction import Claim, Progress, extract, sample_segments
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.cropping.storage.output_lock import check_output, output_lock
from lunar_models.cropping.storage.work_folder import Segment, WorkFolder, find_finished

_WAIT_S = 0.5


def make_share(
    config: PreprocessConfig, number: int, shares: int, *, progress: Progress | None = None
) -> None:
    """Sample a share of the crops of a crop set into its work folder.

    Args:
        config: as for `make_crop_set`, equal for all shares.
        number: of this share, 1 to `shares`.
        shares: how many there are.
        progress: called with the number of crops that this process has sampled, and of all.

    Raises:
        LunarModelsError: as `make_crop_set`.
        CropSetError: the work folder holds work of other parameters.
    """
    mosaics = open_mosaics(config)
    if find_finished(config, mosaics) is not None:
        return
    check_output(config.output)
    with output_lock(config.output, shared=True):
        plan = plan_crops(config, mosaics)
        with _held(_beside(config, "plan")):
            work = WorkFolder.prepare(config, mosaics, count=len(plan.craters), shared=True)
        if work.is_complete:
            return

        def sample(plan: CropPlan, work: WorkFolder, progress: Progress, count: int) -> None:
            _sample_share(plan, work, progress, count, number=number, shares=shares)

        extract(plan, work, progress or (lambda done, total: None), sample)


def _sample_share(
    plan: CropPlan, work: WorkFolder, progress: Progress, count: int, *, number: int, shares: int
) -> None:
    """Return when all segments are sampled, by whomever."""
    total = len(plan.segments)
    own = plan.segments[(number - 1) * total // shares : number * total // shares]
    done = 0
    with ThreadPoolExecutor(plan.workers, "sample") as pool:
        claim = _claims(work)
        for segments in _in_turn(plan, work, own):
            for segment in sample_segments(plan, work, pool, segments, count, claim=claim):
                done += segment.count
                progress(done, len(plan.craters))


def _in_turn(
    plan: CropPlan, work: WorkFolder, own: Sequence[Segment]
) -> Iterator[Sequence[Segment]]:
    """Own segments, then one by one those that are missing, until none is."""
    yield [segment for segment in own if not work.is_sampled(segment)]
    while missing := [s for s in reversed(plan.segments) if not work.is_sampled(s)]:
        for segment in missing:
            if not work.is_sampled(segment):
                yield [segment]
        time.sleep(_WAIT_S)  # what is missing now, others are at


def _claims(work: WorkFolder) -> Claim:
    @contextmanager
    def claim(segment: Segment) -> Iterator[bool]:
        """Hold a segment; false if another process has it, or has finished it."""
        with _held(work.claim_file(segment), wait=False) as held:
            yield held and not work.is_sampled(segment)

    return claim


def _beside(config: PreprocessConfig, name: str) -> Path:
    place = Path(config.output).resolve()
    return place.with_name(f".{place.name}.{name}.lock")


@contextmanager
def _held(file: Path, *, wait: bool = True) -> Iterator[bool]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)

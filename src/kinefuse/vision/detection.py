"""See the person in a recording's videos: 2-D keypoints, and mattes if wanted.

Videos are looked at in parallel threads: decoding and networks run outside of Python's lock, and processes were no
faster but would need a main guard in users' scripts. Then the cameras check each other: one that follows somebody else
looks again where the others place the person, and exchanged sides are put right. Whatever was done is told in findings.
"""

import atexit
import hashlib
import shutil
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import KinefuseError, NobodySeenError
from kinefuse.formats.image_mapping import ImageMapping, map_image
from kinefuse.formats.videos import probe_video, read_first_frame
from kinefuse.recordings import Camera, Finding, Keypoints, Recording, View
from kinefuse.vision.agreement import (
    ViewTrack,
    common_frames,
    find_jumps,
    find_strays,
    regions_from_others,
    to_own_frames,
)
from kinefuse.vision.cache import DetectionCache, VideoDetections, detection_key, open_cache
from kinefuse.vision.detectors import choose_detector, detector_version
from kinefuse.vision.mattes import MATTE_SIDE_PX
from kinefuse.vision.passes import DETECTION_SIDE_PX, Progress, detect_video
from kinefuse.vision.sides import HALVES, exchange, exchanged_sides

SAME_LENGTH_FRAMES = 2
"""Videos without start times count as started together if their lengths differ by no more than this."""


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One video to look at."""

    camera: Camera
    view: View
    video: Path
    mapping: ImageMapping
    rate_hz: float

    @property
    def name(self) -> str:
        return self.view.camera


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What one video showed, and the file that holds it (None if it was not kept)."""

    detections: VideoDetections
    stored: Path | None


@dataclass(frozen=True, kw_only=True)
class _Runner:
    """How videos are looked at: everything that the passes of one call share."""

    detector: str
    mattes: bool
    cache: DetectionCache | None
    workers: int
    progress: Progress | None

    def run(self, jobs: Sequence[_Job], regions: Sequence[np.ndarray | None]) -> list[_Seen]:
        """Look at all videos, several at a time; stop them all if one fails or the user interrupts."""
        stop = threading.Event()
        with ThreadPoolExecutor(max(1, self.workers)) as pool:
            futures = [pool.submit(self._look, job, region, stop) for job, region in zip(jobs, regions, strict=True)]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def _look(self, job: _Job, region: np.ndarray | None, stop: threading.Event) -> _Seen:
        """Take one pass over a video from the cache, or make it and keep it."""
        stored = self._from_cache(job, region)
        if stored is not None:
            frames = len(stored.detections.pixels)
            self._report(job.name, frames, frames, stop)
            return stored
        detections = detect_video(
            job.video, self.detector, self.mattes, region, lambda done, total: self._report(job.name, done, total, stop)
        )
        if self.cache is None:
            return _Seen(detections=detections, stored=None)
        path = self.cache.store(job.name, self._key(job, region, self.mattes), detections)
        return _Seen(detections=detections, stored=path)

    def _from_cache(self, job: _Job, region: np.ndarray | None) -> _Seen | None:
        """Return an earlier pass; one with mattes serves those who want none, without them."""
        if self.cache is None:
            return None
        for mattes in {self.mattes, True}:
            key = self._key(job, region, mattes)
            found = self.cache.load(job.name, key)
            if found is not None:
                found = found if self.mattes else replace(found, mattes=None, gaps=None)
                return _Seen(detections=found, stored=self.cache.path(job.name, key))
        return None

    def leave_out(self, job: _Job, seen: _Seen, frames: np.ndarray) -> _Seen:
        """Return a pass whose mattes are gaps in some frames (T,), kept as a file of its own."""
        mattes = seen.detections.mattes
        if mattes is None or seen.stored is None or self.cache is None or not frames.any():
            return seen
        blank = np.where(frames[:, None, None], np.uint8(0), mattes)
        detections = replace(seen.detections, mattes=blank, gaps=frames)
        key = hashlib.sha256(seen.stored.name.encode() + np.packbits(frames).tobytes()).hexdigest()[:16]
        return _Seen(detections=detections, stored=self.cache.store(job.name, key, detections))

    def _key(self, job: _Job, region: np.ndarray | None, mattes: bool) -> str:
        options = f"{DETECTION_SIDE_PX} {MATTE_SIDE_PX}"
        return detection_key(job.video, self.detector, detector_version(self.detector), mattes, region, options)

    def _report(self, camera: str, done: int, total: int, stop: threading.Event) -> None:
        if stop.is_set():
            raise KinefuseError("Detection was stopped.")
        if self.progress is not None:
            self.progress(camera, done, total)


def detect_recording(
    recording: Recording,
    detector: str = "auto",
    mattes: bool = False,
    progress: Progress | None = None,
    use_cache: bool = True,
    workers: int = 2,
) -> tuple[Recording, list[Finding]]:
    """Give every view that has a video but no keypoints the keypoints of the person, in calibrated pixels.

    Parameters
    ----------
    recording
    detector
        A name in `detectors.DETECTORS`, or ``"auto"``.
    mattes
        Make person mattes too, for views without silhouettes; `mattes.person_mattes` reads them. About a fifth slower.
    progress
        Called as ``progress(camera, frames_done, frames_in_all)``, from several threads.
    use_cache
        Keep detections in ``.kinefuse-cache`` of the trial's folder, and use those that are there.
    workers
        Videos looked at at a time.

    Returns
    -------
    The recording with `View.keypoints` (one person, 26 points), `View.rate_hz`, `View.image_scale` and
    `View.image_offset_px` filled in, with `View.silhouettes` if mattes were made; and what was found. Scale and offset
    of a view with silhouettes of its own stay as they are: these may be of another size than its video.

    Raises
    ------
    KinefuseError
        If a view has nothing to look at, or a video cannot be read or fits no calibration.
    NobodySeenError
        If nobody is in any view.
    MissingDependencyError
        If the detector is not installed.
    """
    _check_views(recording)
    wanted = [view for view in recording.views if _needs_detection(view, mattes)]
    if not wanted:
        return recording, []
    name = choose_detector(detector)
    findings: list[Finding] = []
    jobs = [_prepare(recording, view, findings) for view in wanted]
    runner = _Runner(
        detector=name,
        mattes=mattes,
        cache=_choose_cache(recording.folder, use_cache, mattes, findings),
        workers=workers,
        progress=progress,
    )
    seen = runner.run(jobs, [None] * len(jobs))
    _check_somebody(jobs, seen, findings)
    tracks = _one_person(recording, jobs, seen, findings)
    if _clocks_agree(tracks, jobs):
        if all(s.detections.pixels.shape[1] == 1 for s in seen):  # one that sees everybody need not look again
            tracks, seen = _look_again(runner, jobs, tracks, seen, findings)
        tracks = _mend_sides(tracks, findings)
    _report_jumps(tracks, findings)
    done = {job.name: _to_view(job, track, s) for job, track, s in zip(jobs, tracks, seen, strict=True)}
    return replace(recording, views=tuple(done.get(view.camera, view) for view in recording.views)), findings


def _check_views(recording: Recording) -> None:
    for view in recording.views:
        if view.video is None and view.keypoints is None and view.silhouettes is None:
            raise KinefuseError(
                f"Camera {view.camera} has neither a video nor keypoints; put videos/{view.camera}.mp4 or "
                f"keypoints/{view.camera}.csv into the trial, or remove it from trial.toml."
            )


def _needs_detection(view: View, mattes: bool) -> bool:
    return view.video is not None and (view.keypoints is None or (mattes and view.silhouettes is None))


def _prepare(recording: Recording, view: View, findings: list[Finding]) -> _Job:
    """Open a view's video and find out how it relates to the calibration and to time."""
    if view.video is None:
        raise KinefuseError(f"Camera {view.camera} has no video.")
    info = probe_video(view.video, count=False)
    rate = view.rate_hz or info.rate_hz
    if rate is None:
        raise KinefuseError(
            f"{view.video}: does not tell its frame rate; set rate_hz of [[camera]] {view.camera} in trial.toml."
        )
    camera = recording.camera(view.camera)
    mapping, found = map_image(camera, view, info.size, read_first_frame(view.video))
    findings += [*info.findings(view.camera), *found]
    return _Job(camera=camera, view=view, video=view.video, mapping=mapping, rate_hz=rate)


def _choose_cache(folder: Path | None, use_cache: bool, mattes: bool, findings: list[Finding]) -> DetectionCache | None:
    """Return where passes are kept. Mattes need a place on disk, if only for the life of this process."""
    cache = open_cache(folder) if use_cache else None
    if use_cache and folder is not None and cache is None:
        text = f"{folder} cannot be written to, so detections are not kept and the next run detects again."
        findings.append(Finding("warning", "trial", text))
    if cache is None and mattes:
        temporary = Path(tempfile.mkdtemp(prefix="kinefuse-mattes-"))
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        return DetectionCache(temporary)
    return cache


def _check_somebody(jobs: Sequence[_Job], seen: Sequence[_Seen], findings: list[Finding]) -> None:
    """Report cameras that show nobody; refuse a recording in which none shows anybody."""
    empty = [job for job, s in zip(jobs, seen, strict=True) if not np.isfinite(s.detections.pixels).any()]
    if len(empty) == len(jobs):
        names = ", ".join(job.name for job in jobs)
        raise NobodySeenError(
            f"Nobody was found in any video ({names}); check that they show the person, upright and large enough, or "
            "give keypoints of another detector in keypoints/."
        )
    for job in empty:
        text = "Nobody was found in its video; it does not contribute. Check that it is the right file."
        findings.append(Finding("warning", f"camera {job.name}", text))


def _one_person(
    recording: Recording, jobs: Sequence[_Job], seen: Sequence[_Seen], findings: list[Finding]
) -> list[ViewTrack]:
    """Return the track of the person that is recorded, in each view."""
    keypoints = [
        Keypoints(
            names=KEYPOINTS,
            pixels=job.mapping.to_calibrated(s.detections.pixels),
            confidence=s.detections.confidence,
        )
        for job, s in zip(jobs, seen, strict=True)
    ]
    if any(points.pixels.shape[1] > 1 for points in keypoints):
        from kinefuse.vision.association import choose_person_and_starts

        views = tuple(
            replace(job.view, keypoints=points, rate_hz=job.rate_hz)
            for job, points in zip(jobs, keypoints, strict=True)
        )
        choice = choose_person_and_starts(replace(recording, views=views))
        keypoints = [view.keypoints or points for view, points in zip(choice.views, keypoints, strict=True)]
        findings += choice.findings
    return [_track(job, points) for job, points in zip(jobs, keypoints, strict=True)]


def _track(job: _Job, keypoints: Keypoints) -> ViewTrack:
    time = (job.view.start_s or 0.0) + np.arange(len(keypoints.pixels)) / job.rate_hz
    return ViewTrack(camera=job.camera, time=time, pixels=keypoints.pixels[:, 0], confidence=keypoints.confidence[:, 0])


def _clocks_agree(tracks: Sequence[ViewTrack], jobs: Sequence[_Job]) -> bool:
    """Return whether frames of different views can be compared: starts known, or videos of one length."""
    known = [job.view.start_s is not None for job in jobs]
    if all(known):
        return True
    lengths = [len(track.time) for track in tracks]
    one_rate = len({round(job.rate_hz, 3) for job in jobs}) == 1
    return not any(known) and one_rate and max(lengths) - min(lengths) <= SAME_LENGTH_FRAMES


def _look_again(
    runner: _Runner, jobs: Sequence[_Job], tracks: list[ViewTrack], seen: list[_Seen], findings: list[Finding]
) -> tuple[list[ViewTrack], list[_Seen]]:
    """Let cameras that follow somebody else look again, only where the others place the person.

    What still disagrees afterwards is somebody else, and is removed: keypoints, and mattes where there are any.
    """
    strays = find_strays(tracks)
    again = [v for v, stray in enumerate(strays) if stray.any()]
    if not again:
        return tracks, seen
    boxes = [regions_from_others(tracks, v, strays) for v in again]
    regions = [_to_file(jobs[v].mapping, box) for v, box in zip(again, boxes, strict=True)]
    looked = runner.run([jobs[v] for v in again], regions)
    tracks, seen = list(tracks), list(seen)
    before = tracks.copy()
    for v, s in zip(again, looked, strict=True):
        person = Keypoints(
            names=KEYPOINTS,
            pixels=jobs[v].mapping.to_calibrated(s.detections.pixels[:, :1]),
            confidence=s.detections.confidence[:, :1],
        )
        tracks[v], seen[v] = _track(jobs[v], person), s
    left = find_strays(tracks)
    for v in again:
        tracks[v], seen[v] = _without(tracks[v], left[v]), runner.leave_out(jobs[v], seen[v], left[v])
        findings.append(_stray_finding(before[v].camera.name, int(strays[v].sum()), int(left[v].sum()), len(left[v])))
    return tracks, seen


def _to_file(mapping: ImageMapping, boxes: np.ndarray) -> np.ndarray:
    """Return boxes (T, 4) of calibrated pixels as file pixels."""
    return mapping.to_file(boxes.reshape(-1, 2, 2)).reshape(-1, 4)


def _without(track: ViewTrack, frames: np.ndarray) -> ViewTrack:
    return replace(
        track,
        pixels=np.where(frames[:, None, None], np.nan, track.pixels),
        confidence=np.where(frames[:, None], 0.0, track.confidence),
    )


def _stray_finding(camera: str, before: int, after: int, frames: int) -> Finding:
    text = (
        f"It followed somebody else than the other cameras in {before} of {frames} frames, and looked again where they "
        f"place the person: "
    )
    if after == 0:
        return Finding("info", f"camera {camera}", text + "it now agrees with them.")
    text += f"in {after} frames it still disagrees, and these were left out; its calibration or its clock may be off."
    return Finding("warning", f"camera {camera}", text)


def _report_jumps(tracks: Sequence[ViewTrack], findings: list[Finding]) -> None:
    """Warn of cameras in which the person jumps: with too few cameras to compare, nobody can tell who is who."""
    for track in tracks:
        jumps = find_jumps(track)
        if len(jumps):
            text = (
                f"The person jumps in the image in {len(jumps)} frames (first in frame {jumps[0]}): the detector may "
                "have gone over to somebody else. Cut the video, or give keypoints of another detector in keypoints/."
            )
            findings.append(Finding("warning", f"camera {track.camera.name}", text))


def _mend_sides(tracks: list[ViewTrack], findings: list[Finding]) -> list[ViewTrack]:
    """Exchange left and right where a detector took one for the other, and say so."""
    if len(tracks) < 2:
        return tracks
    grid = common_frames(tracks)
    cameras = [track.camera for track in tracks]
    for half, members in HALVES.items():
        wrong = exchanged_sides(cameras, grid.pixels, grid.confidence, members)
        for v, track in enumerate(tracks):
            own = to_own_frames(wrong[:, v], grid.frame[:, v], len(track.time))
            if own.any():
                tracks[v] = replace(
                    tracks[v],
                    pixels=exchange(tracks[v].pixels, members, own),
                    confidence=exchange(tracks[v].confidence, members, own),
                )
                findings.append(_sides_finding(track.camera.name, half, int(own.sum()), len(own)))
    return tracks


def _sides_finding(camera: str, half: str, wrong: int, frames: int) -> Finding:
    text = (
        f"The detector took left for right in the {half} in {wrong} of {frames} frames; they were exchanged, as the "
        "other cameras and the movement show."
    )
    return Finding("info", f"camera {camera}", text)


def _to_view(job: _Job, track: ViewTrack, seen: _Seen) -> View:
    """Return the view with what was found; keypoints and silhouettes that it had already are kept.

    So are image scale and offset beside silhouettes: what was found is the video's, whose size need not be theirs.
    """
    detected = Keypoints(names=KEYPOINTS, pixels=track.pixels[:, None], confidence=track.confidence[:, None])
    view = replace(job.view, keypoints=job.view.keypoints or detected, rate_hz=job.rate_hz)
    if view.silhouettes is not None:
        return view
    made = seen.stored if seen.detections.mattes is not None else None
    return replace(view, silhouettes=made, image_scale=job.mapping.scale, image_offset_px=job.mapping.offset)

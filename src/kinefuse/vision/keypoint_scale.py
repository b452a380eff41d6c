"""Keypoints of a trial whose videos are not the image that was calibrated: from video pixels to calibrated ones."""

from dataclasses import replace

from kinefuse.errors import KinefuseError
from kinefuse.formats.image_mapping import ImageMapping, given_mapping, map_image
from kinefuse.formats.videos import probe_video, read_first_frame
from kinefuse.recordings import Camera, Finding, Recording, View


def with_calibrated_keypoints(recording: Recording) -> tuple[Recording, list[Finding]]:
    """Bring keypoints to the calibrated image where ``trial.toml`` does not say how, and their video does.

    Keypoints in a trial are in pixels of the camera's files. Where no ``image_scale`` is stated, they were read as if
    these were the calibrated image's; if the video has another size, scale and offset follow from that.

    Parameters
    ----------
    recording : of `formats.trial.read_trial`

    Returns
    -------
    The recording with these keypoints converted, and what was found. Scale and offset are written into the view, save
    beside silhouettes, which may be of another size than the video.

    Raises
    ------
    KinefuseError
        If a video's size fits no calibration.
    """
    views, findings = [], []
    for view in recording.views:
        converted, told = _converted(recording.camera(view.camera), view)
        views.append(converted)
        findings += told
    return replace(recording, views=tuple(views)), findings


def _converted(camera: Camera, view: View) -> tuple[View, list[Finding]]:
    if view.keypoints is None or view.video is None or given_mapping(view) is not None:
        return view, []
    try:
        size = probe_video(view.video, count=False).size
        image = None if size == camera.size else read_first_frame(view.video)
    except KinefuseError as error:
        text = f"Its keypoints are taken to be in calibrated pixels, since its video cannot be looked at: {error}"
        return view, [Finding("warning", f"camera {view.camera}", text)]
    mapping, found = map_image(camera, view, size, image)
    if mapping == ImageMapping():
        return view, found
    view = replace(view, keypoints=replace(view.keypoints, pixels=mapping.to_calibrated(view.keypoints.pixels)))
    if view.silhouettes is None:
        view = replace(view, image_scale=mapping.scale, image_offset_px=mapping.offset)
    text = "Its keypoints are taken to be in pixels of its video, and were brought to the calibrated image."
    return view, [*found, Finding("info", f"camera {view.camera}", text)]

"""`view_result`: a result in the browser, to look at from all sides."""

import time
import webbrowser
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from kinefuse.body.models import BodyModel, load_anny
from kinefuse.errors import KinefuseError, MissingDependencyError
from kinefuse.formats.results import read_result
from kinefuse.motion import Motion
from kinefuse.recordings import Recording
from kinefuse.report.wording import plain_angles
from kinefuse.viewer.playback import Playback
from kinefuse.viewer.readout import GROUP_TITLES, angle_table
from kinefuse.viewer.scene import Scene, build_scene, show_frame

UPDATES_HZ: Final = 30.0
HOST: Final = "127.0.0.1"
"""Recordings of people are not offered to the whole network."""
SPEEDS: Final = ("0.1×", "0.25×", "0.5×", "1×", "2×")


def import_viser() -> ModuleType:
    """Return viser.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        import viser
    except ImportError as error:
        raise MissingDependencyError('The viewer needs viser: pip install "kinefuse[viewer]".') from error
    return viser


def view_result(
    folder: Path | str, port: int = 8080, open_browser: bool = True, recording: Recording | None = None
) -> None:
    """Play a result in the browser until Ctrl+C is pressed.

    Parameters
    ----------
    folder
        A result, as ``kinefuse run`` writes it.
    port
        Where this machine serves the page: ``http://localhost:<port>``. If it is taken, the next free one is used.
    open_browser
        Whether to open the page.
    recording
        The trial, to show its cameras and measured points too.

    Raises
    ------
    KinefuseError
        If the folder is no result, or the port is no port.
    MissingDependencyError
        If viser is not installed.
    """
    motion, _ = read_result(Path(folder))
    viewer = ResultViewer(motion, recording=recording, port=port, title=Path(folder).resolve().name)
    print(f"Showing {folder} at {viewer.url} – press Ctrl+C to end.", flush=True)
    if open_browser:
        webbrowser.open(viewer.url)
    try:
        viewer.run()
    except KeyboardInterrupt:
        viewer.stop()


class ResultViewer:
    """A running viewer: a small web server with the scene and its controls.

    Parameters
    ----------
    motion
        At least one frame.
    body
        The motion's body; by default the embedded one, if the motion is of it. Otherwise a skeleton is shown.
    recording
        For cameras and measured points.
    port, title
    """

    def __init__(
        self,
        motion: Motion,
        body: BodyModel | None = None,
        recording: Recording | None = None,
        port: int = 8080,
        title: str = "kinefuse",
    ) -> None:
        viser = import_viser()
        if not len(motion.time):
            raise KinefuseError("The result has no frames, so there is nothing to show; run the estimation again.")
        if not 0 < port < 65536:
            raise KinefuseError(f"A port is a number from 1 to 65535, got {port}; 8080 is usual.")
        if body is None and motion.body_name == "anny":
            body = load_anny()
        self.server: Any = viser.ViserServer(host=HOST, port=port, label=title, verbose=False)
        self.server.gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")
        self.playback = Playback(motion.time)
        self.angles = plain_angles(motion)
        self.scene: Scene = build_scene(self.server, motion, body, recording)
        self.stopped = False
        self._add_controls(motion)
        self.server.on_client_connect(lambda client: _look_at(client, motion))
        self.redraw()

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://localhost:{self.server.get_port()}"

    def _add_controls(self, motion: Motion) -> None:
        gui = self.server.gui
        last = len(motion.time) - 1
        self._slider = gui.add_slider("Frame", 0, max(last, 1), 1, 0, disabled=last == 0)
        self._play = gui.add_button("Pause")
        self._speed = gui.add_dropdown("Speed", SPEEDS, initial_value="1×")
        self._surface = gui.add_checkbox("Body", self.scene.surface is not None, disabled=self.scene.surface is None)
        self._skeleton = gui.add_checkbox("Skeleton", self.scene.surface is None)
        self._measured = gui.add_checkbox("Measured points", False, disabled=self.scene.points is None)
        self._joint = gui.add_dropdown("Angles", GROUP_TITLES, initial_value=GROUP_TITLES[0])
        self._readout = gui.add_markdown("")
        self._play.on_click(lambda _: self.set_playing(not self.playback.playing))
        self._slider.on_update(self._slid)
        for control in (self._surface, self._skeleton, self._measured, self._joint):
            control.on_update(lambda _: self.redraw())

    def _slid(self, event: Any) -> None:
        if event.client is not None:  # moved by a person, not by the player
            self.set_playing(False)
            self.show(int(self._slider.value))

    def set_playing(self, playing: bool) -> None:
        """Play or pause."""
        self.playback.playing = playing
        self._play.label = "Pause" if playing else "Play"

    def show(self, frame: int) -> None:
        """Show one frame."""
        self.playback.show(frame)
        self.redraw()

    def redraw(self) -> None:
        """Draw the present frame again."""
        frame = self.playback.frame
        with self.server.atomic():
            show_frame(self.scene, frame, self._surface.value, self._skeleton.value, self._measured.value)
        at = float(self.playback.time[frame])
        self._readout.content = f"**{at:.2f} s**\n\n" + angle_table(self.angles, self._joint.value, frame)

    def step(self, elapsed_s: float) -> None:
        """Let `elapsed_s` seconds pass on the wall, and draw if that leads to another frame."""
        before = self.playback.frame
        self.playback.speed = float(self._speed.value.rstrip("×"))
        frame = self.playback.advance(elapsed_s)
        if frame != before:
            self._slider.value = frame
            self.redraw()

    def run(self, seconds: float = float("inf")) -> None:
        """Play for some time, or until `stop` is called."""
        start = last = time.monotonic()
        while not self.stopped and last - start < seconds:
            time.sleep(1.0 / UPDATES_HZ)
            now = time.monotonic()
            self.step(now - last)
            last = now

    def stop(self) -> None:
        """End the web server."""
        self.stopped = True
        self.server.stop()


def _look_at(client: Any, motion: Motion) -> None:
    """Put a new visitor's eye in front of the body, a little to its left."""
    known = motion.positions[np.isfinite(motion.positions).all(axis=-1)]
    target = known.mean(axis=0) if len(known) else np.array([0.0, 1.0, 0.0])
    forward = motion.R_world_segment[0, 0, :, 0]
    forward = forward if np.isfinite(forward).all() else np.array([1.0, 0.0, 0.0])
    heading = np.arctan2(-forward[2], forward[0]) + 0.6
    client.camera.position = target + 3.4 * np.array([np.cos(heading), 0.25, -np.sin(heading)])
    client.camera.up_direction = (0.0, 1.0, 0.0)
    client.camera.look_at = target  # last, because a new position takes the target along

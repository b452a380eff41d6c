"use strict";
// The replay: poses of every frame, the viewpoint, the controls.
(() => {
  const data = kinefuse.data.replay, box = document.getElementById("scene");
  if (!box || !data.frames) return;
  const { perspective, lookAt, multiply, quaternionRows, sub, unit } = kinefuse.linear;
  const COLOURS = { l: "#0072b2", r: "#d55e00", c: "#3b4652" }, SEGMENTS = 22, MISSING = -32768;
  const time = new Float32Array(kinefuse.bytes(data.time));
  const rotations = new Int16Array(kinefuse.bytes(data.rotations));
  const provenance = new Uint8Array(kinefuse.bytes(data.provenance));
  const unpack = (packed) => {
    const raw = new Int16Array(kinefuse.bytes(packed.data)), out = new Float32Array(raw.length);
    for (let i = 0; i < raw.length; i++) {
      out[i] = raw[i] === MISSING ? NaN : packed.origin[i % 3] + packed.unit * raw[i];
    }
    return out;
  };
  const joints = unpack(data.joints), points = data.points ? unpack(data.points) : null;
  const jointAt = (frame, s) => joints.subarray(3 * (SEGMENTS * frame + s), 3 * (SEGMENTS * frame + s) + 3);

  // ---- poses
  const pose = { rows: new Float32Array(12 * SEGMENTS), states: new Float32Array(SEGMENTS) };
  const setPose = (frame) => {
    for (let s = 0; s < SEGMENTS; s++) {
      const q = rotations.subarray(4 * (SEGMENTS * frame + s), 4 * (SEGMENTS * frame + s) + 4), p = jointAt(frame, s);
      const known = q[0] !== MISSING && Number.isFinite(p[0]);
      pose.states[s] = known ? provenance[SEGMENTS * frame + s] : 3;
      const norm = known ? Math.hypot(...q) : 1, rest = data.rest[s];
      const m = known ? quaternionRows(...Array.from(q, (v) => v / norm)) : [1, 0, 0, 0, 1, 0, 0, 0, 1];
      for (let r = 0; r < 3; r++) {
        const turned = m[3 * r] * rest[0] + m[3 * r + 1] * rest[1] + m[3 * r + 2] * rest[2];
        pose.rows.set([m[3 * r], m[3 * r + 1], m[3 * r + 2], known ? p[r] - turned : 0], 12 * s + 4 * r);
      }
    }
  };

  // ---- viewpoint
  const view = { yaw: 0.6, pitch: 0.18, distance: 3.6, target: [0, 1, 0], follow: true };
  const root = (() => { // the pelvis, or the mean of what is known, smoothed so that the view does not shake
    const raw = [];
    let last = [0, 1, 0];
    for (let f = 0; f < data.frames; f++) {
      const p = [...jointAt(f, 0)];
      if (p.every(Number.isFinite)) last = p;
      raw.push(last);
    }
    const first = raw.findIndex((_, f) => Number.isFinite(jointAt(f, 0)[0]));
    for (let f = 0; f < Math.max(first, 0); f++) raw[f] = raw[first];
    const reach = Math.round(data.frames / Math.max(time[time.length - 1] - time[0], 0.5) / 2);
    return raw.map((_, f) => {
      const part = raw.slice(Math.max(0, f - reach), f + reach + 1);
      return [0, 1, 2].map((d) => part.reduce((sum, p) => sum + p[d], 0) / part.length);
    });
  })();
  const heading = () => Math.atan2(pose.rows[8], pose.rows[0]); // pelvis X in the floor plane
  const room = () => {
    const places = [...root, ...data.cameras.map((camera) => camera.centre)];
    const low = [0, 1, 2].map((d) => Math.min(...places.map((p) => p[d])));
    const high = [0, 1, 2].map((d) => Math.max(...places.map((p) => p[d])));
    return { centre: low.map((v, d) => (v + high[d]) / 2), size: Math.hypot(...low.map((v, d) => high[d] - v)) };
  };
  const eye = () => [
    view.target[0] + view.distance * Math.cos(view.pitch) * Math.cos(view.yaw),
    view.target[1] + view.distance * Math.sin(view.pitch),
    view.target[2] + view.distance * Math.cos(view.pitch) * Math.sin(view.yaw)];
  const look = (kind) => {
    setPose(frame);
    view.follow = kind !== "room";
    view.pitch = kind === "top" ? 1.5 : kind === "room" ? 0.5 : 0.1;
    view.yaw = heading() + (kind === "side" ? Math.PI / 2 : 0);
    view.distance = 3.6;
    if (kind === "room") {
      const whole = room();
      view.target = whole.centre;
      view.distance = Math.max(4, 1.15 * whole.size);
    }
    changed = true;
  };

  // ---- what is drawn
  const glCanvas = document.getElementById("gl"), inkCanvas = document.getElementById("ink");
  const gl = glCanvas.getContext("webgl", { antialias: true });
  const ink = inkCanvas.getContext("2d");
  const floor = [];
  const middle = root[0].map(Math.round);
  for (let i = -5; i <= 5; i++) {
    floor.push([[middle[0] + i, data.floor, middle[2] - 5], [middle[0] + i, data.floor, middle[2] + 5]]);
    floor.push([[middle[0] - 5, data.floor, middle[2] + i], [middle[0] + 5, data.floor, middle[2] + i]]);
  }
  const frusta = data.cameras.flatMap(({ centre, corners }) =>
    corners.flatMap((corner, i) => [[centre, corner], [corner, corners[(i + 1) % 4]]]));
  const show = { body: Boolean(gl && data.surface), skeleton: !(gl && data.surface), points: false, cameras: true, floor: true };
  const drawables = gl ? {
    surface: data.surface ? new kinefuse.Surface(gl, data.surface) : null,
    floor: new kinefuse.Lines(gl, floor.flat(), [0.8, 0.84, 0.87]),
    cameras: new kinefuse.Lines(gl, frusta.flat(), [0.35, 0.42, 0.5]),
  } : null;

  const screen = (camera, width, height) => (p) => {
    const w = camera[3] * p[0] + camera[7] * p[1] + camera[11] * p[2] + camera[15];
    if (!(w > 0.05)) return null;
    const x = camera[0] * p[0] + camera[4] * p[1] + camera[8] * p[2] + camera[12];
    const y = camera[1] * p[0] + camera[5] * p[1] + camera[9] * p[2] + camera[13];
    return [(0.5 + x / w / 2) * width, (0.5 - y / w / 2) * height];
  };
  const stroke = (at, a, b, colour, width) => {
    const [from, to] = [at(a), at(b)];
    if (!from || !to) return;
    ink.strokeStyle = colour;
    ink.lineWidth = width;
    ink.beginPath();
    ink.moveTo(...from);
    ink.lineTo(...to);
    ink.stroke();
  };
  const dotAt = (at, p, radius, colour) => {
    const place = Number.isFinite(p[0]) && at(p);
    if (!place) return;
    ink.fillStyle = colour;
    ink.beginPath();
    ink.arc(...place, radius, 0, 7);
    ink.fill();
  };
  const drawInk = (camera, width, height) => {
    const at = screen(camera, width, height);
    ink.lineCap = "round";
    if (!gl && show.floor) floor.forEach(([a, b]) => stroke(at, a, b, "#ccd5dc", 1));
    if (!gl && show.cameras) frusta.forEach(([a, b]) => stroke(at, a, b, "#596878", 1));
    if (show.skeleton) {
      for (const [wider, colour] of [[2.5, "#fff"], [0, null]]) {
        for (let s = 1; s < SEGMENTS; s++) {
          const a = jointAt(frame, data.parents[s]), b = jointAt(frame, s);
          if (Number.isFinite(a[0] + b[0])) stroke(at, a, b, colour ?? COLOURS[data.sides[s]], 3.5 + wider);
        }
      }
      for (let s = 0; s < SEGMENTS; s++) dotAt(at, jointAt(frame, s), 3.5, COLOURS[data.sides[s]]);
    }
    if (show.points && points) {
      for (let k = 0; k < data.points.count; k++) {
        const from = 3 * (data.points.count * frame + k);
        dotAt(at, points.subarray(from, from + 3), 4, "#111");
        dotAt(at, points.subarray(from, from + 3), 2.8, "#ffd21f");
      }
    }
    if (show.cameras) {
      ink.font = "12px system-ui, sans-serif";
      ink.fillStyle = "#3b4652";
      for (const { name, centre } of data.cameras) {
        const place = at(centre);
        if (place) ink.fillText(name, place[0] + 6, place[1] - 6);
      }
    }
  };
  const render = (width, height, ratio) => {
    if (view.follow) view.target = root[frame];
    const camera = multiply(perspective(0.7, width / height, 0.05, 200), lookAt(eye(), view.target));
    setPose(frame);
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, width, height);
    if (gl) {
      gl.viewport(0, 0, glCanvas.width, glCanvas.height);
      gl.clearColor(0.933, 0.949, 0.961, 1);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.enable(gl.DEPTH_TEST);
      if (show.floor) drawables.floor.draw(camera);
      if (show.cameras && frusta.length) drawables.cameras.draw(camera);
      if (show.body && drawables.surface) drawables.surface.draw(camera, pose, unit(sub(eye(), view.target)));
    }
    drawInk(camera, width, height);
  };
  const resizeTo = (width, height, ratio) => {
    for (const canvas of [glCanvas, inkCanvas]) {
      const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    }
  };

  // ---- time
  const slider = document.getElementById("slider"), clock = document.getElementById("clock");
  const play = document.getElementById("play"), speed = document.getElementById("speed");
  let frame = 0, changed = true, started = null, startedAt = 0;
  kinefuse.playing = false;
  kinefuse.replay = { drawn: 0, frame: () => frame, view, show, pose };
  slider.max = data.frames - 1;
  const frameAt = (t) => {
    let low = 0, high = data.frames - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (time[mid] <= t) low = mid; else high = mid - 1;
    }
    return low + 1 < data.frames && time[low + 1] - t < t - time[low] ? low + 1 : low;
  };
  const goTo = (target) => {
    if (target !== frame) changed = true;
    frame = target;
    slider.value = frame;
    clock.textContent = `${time[frame].toFixed(2)} s`;
  };
  const setPlaying = (on) => {
    kinefuse.playing = on;
    play.textContent = on ? "❚❚" : "▶";
    if (on && frame === data.frames - 1) goTo(0);
    started = null;
  };
  play.addEventListener("click", () => setPlaying(!kinefuse.playing));
  speed.addEventListener("change", () => { started = null; });
  slider.addEventListener("input", () => {
    setPlaying(false);
    goTo(Number(slider.value));
    kinefuse.setTime(time[frame], "replay");
  });
  kinefuse.listeners.push((t, source) => { if (source === "curve") goTo(frameAt(t)); });

  const tick = (stamp) => {
    requestAnimationFrame(tick);
    if (kinefuse.playing) {
      if (started === null) { started = stamp; startedAt = time[frame]; }
      const t = startedAt + ((stamp - started) / 1000) * Number(speed.value);
      const before = frame;
      goTo(frameAt(t));
      if (t >= time[data.frames - 1]) { goTo(0); started = null; }
      if (frame !== before) kinefuse.setTime(time[frame], "replay");
    }
    const box = glCanvas.getBoundingClientRect();
    if (!changed || box.bottom < 0 || box.top > window.innerHeight || !box.width) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    resizeTo(box.width, box.height, ratio);
    render(box.width, box.height, ratio);
    changed = false;
    kinefuse.replay.drawn += 1;
  };

  // ---- controls
  let grip = null;
  box.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button")) return;
    grip = [event.clientX, event.clientY];
    box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointermove", (event) => {
    if (!grip) return;
    view.yaw += (event.clientX - grip[0]) * 0.008;
    if (event.pointerType !== "touch") {
      view.pitch = Math.max(-0.3, Math.min(1.5, view.pitch + (event.clientY - grip[1]) * 0.006));
    }
    grip = [event.clientX, event.clientY];
    changed = true;
  });
  for (const end of ["pointerup", "pointercancel"]) box.addEventListener(end, () => { grip = null; });
  const zoom = (factor) => {
    view.distance = Math.max(0.8, Math.min(40, view.distance * factor));
    changed = true;
  };
  box.addEventListener("wheel", (event) => { // a bare wheel scrolls the page
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    zoom(Math.exp((event.deltaY || event.deltaX) * 0.001));
  }, { passive: false });
  document.querySelectorAll("[data-zoom]").forEach((b) => b.addEventListener("click", () => zoom(Number(b.dataset.zoom))));
  document.querySelectorAll("[data-view]").forEach((b) => b.addEventListener("click", () => look(b.dataset.view)));
  const needs = { surface: Boolean(gl && data.surface), points: Boolean(points), cameras: data.cameras.length > 0 };
  document.querySelectorAll("[data-needs]").forEach((label) => { label.hidden = !needs[label.dataset.needs]; });
  document.querySelectorAll("[data-show]").forEach((input) => {
    input.checked = show[input.dataset.show];
    input.addEventListener("change", () => { show[input.dataset.show] = input.checked; changed = true; });
  });
  window.addEventListener("resize", () => { changed = true; });

  // ---- paper: six moments side by side
  window.addEventListener("beforeprint", () => {
    const [width, height, count, kept] = [260, 380, 6, frame];
    const strip = document.createElement("canvas");
    Object.assign(strip, { width: width * count * 2, height: height * 2 });
    const paper = strip.getContext("2d");
    resizeTo(width, height, 2);
    for (let i = 0; i < count; i++) {
      frame = Math.round((i * (data.frames - 1)) / (count - 1));
      render(width, height, 2);
      for (const canvas of [glCanvas, inkCanvas]) paper.drawImage(canvas, 2 * width * i, 0);
      paper.font = "30px system-ui, sans-serif";
      paper.fillStyle = "#1d2733";
      paper.fillText(`${time[frame].toFixed(2)} s`, 2 * width * i + 16, 40);
    }
    frame = kept;
    const image = new Image();
    image.src = strip.toDataURL("image/png");
    document.getElementById("filmstrip").replaceChildren(image);
    changed = true;
  });

  goTo(0);
  look("front");
  view.yaw += 0.6;
  requestAnimationFrame(tick);
})();

"use strict";
// Shared state of the page: the data, unpacking, and the one moment in time that replay and curves show.
const kinefuse = (window.kinefuse = {
  data: JSON.parse(document.getElementById("data").textContent),
  listeners: [],
  time: null,
  setTime(time, source) {
    this.time = time;
    for (const listener of this.listeners) listener(time, source);
  },
  bytes(text) {
    const raw = atob(text), out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out.buffer;
  },
});

(() => {
  const COLOURS = { l: "#0072b2", r: "#d55e00", c: "#3b4652" };
  const NAMES = { l: "left", r: "right", c: "" };
  const BANDS = { l: "rgba(0,114,178,.18)", r: "rgba(213,94,0,.18)", c: "rgba(59,70,82,.18)" };
  const SHADES = { 1: "rgba(240,200,40,.3)", 2: "rgba(110,110,125,.16)" };
  const floats = (text) => (text ? Array.from(new Float32Array(kinefuse.bytes(text))) : []);
  const curves = kinefuse.data.curves;
  const time = floats(curves.time), truthTime = floats(curves.truthTime);
  const plots = new Map(curves.plots.map((plot) => [plot.key, plot]));
  const drawn = new Map();
  const coarse = window.matchMedia("(pointer: coarse)").matches;

  // A line is solid where it was measured and dotted where not; the two parts share their end points.
  const part = (values, provenance, measured) =>
    values.map((value, i) => {
      const own = (provenance[i] === 0) === measured;
      const joins = !measured && ((i > 0 && provenance[i - 1] === 0) || provenance[i + 1] === 0);
      return (own || joins) && Number.isFinite(value) ? value : null;
    });

  // One closed outline for each stretch without gaps.
  const band = (values, sd) => {
    const x = [], y = [];
    let start = null;
    for (let i = 0; i <= values.length; i++) {
      const good = i < values.length && Number.isFinite(values[i]) && Number.isFinite(sd[i]);
      if (good && start === null) start = i;
      if (!good && start !== null) {
        for (let k = start; k < i; k++) { x.push(time[k]); y.push(values[k] + sd[k]); }
        for (let k = i - 1; k >= start; k--) { x.push(time[k]); y.push(values[k] - sd[k]); }
        x.push(null); y.push(null);
        start = null;
      }
    }
    return { x, y };
  };

  const tracesOf = (plot) => {
    const bands = [], references = [], lines = [];
    for (const curve of plot.curves) {
      const values = floats(curve.values), colour = COLOURS[curve.side], name = NAMES[curve.side];
      const provenance = new Uint8Array(kinefuse.bytes(curve.provenance));
      if (curve.sd) {
        bands.push({ ...band(values, floats(curve.sd)), mode: "lines", line: { width: 0 }, fill: "toself",
          fillcolor: BANDS[curve.side], hoverinfo: "skip" });
      }
      if (curve.truth) {
        references.push({ x: truthTime, y: floats(curve.truth), mode: "lines", hoverinfo: "skip",
          line: { width: 1.2, color: "#111", dash: curve.side === "r" ? "3px,2px" : "solid" } });
      }
      for (const measured of [true, false]) {
        const y = part(values, provenance, measured);
        if (y.every((value) => value === null)) continue;
        lines.push({ x: time, y, mode: time.length > 1 ? "lines" : "markers", name, connectgaps: false,
          line: { color: colour, width: 2, dash: measured ? "solid" : "2px,3px" },
          hovertemplate: `${name} %{y:.1f}°<extra></extra>` });
      }
    }
    return [...bands, ...references, ...lines];
  };

  // At least 20 degrees high, so that noise does not look like movement.
  const rangeOf = (traces) => {
    let low = Infinity, high = -Infinity;
    for (const { y } of traces) for (const v of y) if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
    if (!(high >= low)) return undefined;
    const half = Math.max(10, 0.54 * (high - low));
    return [(low + high) / 2 - half, (low + high) / 2 + half];
  };

  const layoutOf = (plot, traces, width) => ({
    width, height: 200, margin: { l: 42, r: 8, t: 8, b: 24 }, showlegend: false, hovermode: "x unified",
    paper_bgcolor: "#fff", plot_bgcolor: "#fff", dragmode: coarse ? false : "zoom",
    font: { family: "system-ui, sans-serif", size: 11, color: "#5b6875" },
    hoverlabel: { bgcolor: "rgba(255,255,255,.92)", font: { size: 12, color: "#1d2733" } },
    xaxis: { range: time.length > 1 ? [time[0], time[time.length - 1]] : undefined, ticksuffix: " s", nticks: 6,
      showgrid: false, zeroline: false, linecolor: "#c3ccd4", ticks: "outside", ticklen: 3, fixedrange: coarse },
    yaxis: { range: rangeOf(traces), ticksuffix: "°", nticks: 6, gridcolor: "#e8ecef", zeroline: true, zerolinecolor: "#9aa7b3",
      zerolinewidth: 1, fixedrange: true },
    shapes: plot.spans.map(([x0, x1, kind]) => ({ type: "rect", xref: "x", yref: "paper", x0, x1, y0: 0, y1: 1,
      fillcolor: SHADES[kind], line: { width: 0 }, layer: "below" })),
  });

  const draw = (figure) => {
    const key = figure.dataset.key, plot = plots.get(key), target = figure.querySelector(".canvas");
    if (!plot || drawn.has(key) || !target.clientWidth) return;
    drawn.set(key, figure);
    const traces = tracesOf(plot);
    Plotly.newPlot(target, traces, layoutOf(plot, traces, target.clientWidth), { displayModeBar: false, responsive: false });
    const now = document.createElement("div");
    now.className = "now";
    target.appendChild(now);
    const follow = (event) => { if (event.points && event.points.length) kinefuse.setTime(event.points[0].x, "curve"); };
    target.on(coarse ? "plotly_click" : "plotly_hover", (event) => { if (!kinefuse.playing) follow(event); });
    moveCursor(figure);
  };

  const moveCursor = (figure) => {
    const target = figure.querySelector(".canvas"), now = target.querySelector(".now"), full = target._fullLayout;
    if (!now || !full) return;
    const x = full.xaxis.l2p(kinefuse.time ?? time[0]);
    const inside = kinefuse.time !== null && x >= 0 && x <= full.xaxis._length;
    now.style.display = inside ? "block" : "none";
    now.style.transform = `translateX(${full.margin.l + x}px)`;
    now.style.left = "0";
  };

  const figures = [...document.querySelectorAll(".plot")];
  const visible = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) { visible.delete(entry.target); continue; }
      visible.add(entry.target);
      draw(entry.target);
      moveCursor(entry.target);
    }
  }, { rootMargin: "250px" });
  figures.forEach((figure) => watcher.observe(figure));
  kinefuse.listeners.push(() => visible.forEach(moveCursor));

  const resize = (widthOf, height = 200) => {
    for (const figure of drawn.values()) {
      const target = figure.querySelector(".canvas");
      Plotly.relayout(target, { width: widthOf(target), height });
      moveCursor(figure);
    }
  };
  let pending = null;
  window.addEventListener("resize", () => {
    clearTimeout(pending);
    pending = setTimeout(() => resize((target) => target.clientWidth || 320), 150);
  });

  // On paper every plot that is not folded away is drawn, at a third of a page's width.
  window.addEventListener("beforeprint", () => {
    figures.forEach(draw);
    resize(() => 216, 150);
  });
  window.addEventListener("afterprint", () => {
    resize((target) => target.clientWidth || 320);
  });
})();

"use strict";
// Joint angles over the gait cycle: mean and spread of each side's strides.
(() => {
  const COLOURS = { l: "#0072b2", r: "#d55e00" }, NAMES = { l: "left", r: "right" };
  const BANDS = { l: "rgba(0,114,178,.18)", r: "rgba(213,94,0,.18)" };
  const percent = Array.from({ length: 101 }, (_, i) => i);
  const plots = new Map(kinefuse.data.walking.plots.map((plot) => [plot.key, plot]));

  const tracesOf = (plot) => [
    ...plot.curves.filter(({ sd }) => sd.length).map(({ side, mean, sd }) => ({
      x: [...percent, ...percent.slice().reverse()],
      y: [...mean.map((v, i) => v + sd[i]), ...mean.map((v, i) => v - sd[i]).reverse()],
      mode: "lines", line: { width: 0 }, fill: "toself", fillcolor: BANDS[side], hoverinfo: "skip",
    })),
    ...plot.curves.map(({ side, mean }) => ({
      x: percent, y: mean, mode: "lines", name: NAMES[side], line: { color: COLOURS[side], width: 2 },
      hovertemplate: `${NAMES[side]} %{y:.1f}°<extra></extra>`,
    })),
  ];

  const layoutOf = (plot, width, height) => {
    const values = plot.curves.flatMap(({ mean, sd }) => mean.flatMap((v, i) => [v - (sd[i] ?? 0), v + (sd[i] ?? 0)]));
    const low = Math.min(...values), high = Math.max(...values), half = Math.max(10, 0.54 * (high - low));
    return {
      width, height, margin: { l: 42, r: 8, t: 8, b: 24 }, showlegend: false, hovermode: "x unified",
      paper_bgcolor: "#fff", plot_bgcolor: "#fff", dragmode: false,
      font: { family: "system-ui, sans-serif", size: 11, color: "#5b6875" },
      xaxis: { range: [0, 100], ticksuffix: " %", nticks: 6, showgrid: false, zeroline: false, linecolor: "#c3ccd4",
        ticks: "outside", ticklen: 3, fixedrange: true },
      yaxis: { range: [(low + high) / 2 - half, (low + high) / 2 + half], ticksuffix: "°", nticks: 6, gridcolor: "#e8ecef",
        zeroline: true, zerolinecolor: "#9aa7b3", zerolinewidth: 1, fixedrange: true },
      shapes: plot.curves.map(({ side, off }) => ({ type: "line", xref: "x", yref: "paper", x0: off, x1: off, y0: 0, y1: 1,
        line: { color: COLOURS[side], width: 1, dash: "3px,3px" } })),
    };
  };

  const figures = [...document.querySelectorAll(".cycle")];
  const draw = (width, height) => {
    for (const figure of figures) {
      const plot = plots.get(figure.dataset.cycle), target = figure.querySelector(".canvas");
      if (!plot || !plot.curves.length) continue;
      const size = width || target.clientWidth || 320;
      Plotly.react(target, tracesOf(plot), layoutOf(plot, size, height || 200), { displayModeBar: false });
    }
  };
  draw();
  let pending = null;
  window.addEventListener("resize", () => {
    clearTimeout(pending);
    pending = setTimeout(draw, 150);
  });
  window.addEventListener("beforeprint", () => draw(216, 150));
  window.addEventListener("afterprint", () => draw());
})();

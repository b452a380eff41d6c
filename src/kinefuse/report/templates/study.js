"use strict";
// Draws each panel when it comes into view, and shows or hides a method in all of them.
(() => {
  const panels = JSON.parse(document.getElementById("data").textContent).panels;
  const hidden = new Set(), drawn = new Map();
  const study = (window.study = { drawn: 0, total: panels.length, hidden });
  const axis = { automargin: true, gridcolor: "#e8ecef", linecolor: "#c3ccd4", zerolinecolor: "#c3ccd4", ticks: "outside",
    ticklen: 3, fixedrange: true, title: { standoff: 8 } };

  const merged = (own) => ({
    margin: { l: 46, r: 10, t: 8, b: 42 }, showlegend: false, paper_bgcolor: "#fff", plot_bgcolor: "#fff", dragmode: false,
    barmode: "group", bargap: 0.22, hoverlabel: { bgcolor: "rgba(255,255,255,.95)", font: { size: 12.5, color: "#1d2733" } },
    font: { family: "system-ui, sans-serif", size: 12, color: "#3b4652" },
    ...own,
    ...Object.fromEntries(Object.entries({ xaxis: {}, yaxis: {}, ...own }).filter(([key]) => /^[xy]axis/.test(key))
      .map(([key, value]) => [key, { ...axis, ...value, title: { ...axis.title, ...value.title } }])),
  });
  const visible = (trace) => !hidden.has(trace.meta);

  const draw = (figure) => {
    const index = Number(figure.dataset.panel), panel = panels[index], target = figure.querySelector(".plot-area");
    if (drawn.has(index) || !target.clientWidth) return;
    drawn.set(index, target);
    const traces = panel.traces.map((trace) => ({ ...trace, visible: visible(trace) }));
    Plotly.newPlot(target, traces, { ...merged(panel.layout), width: target.clientWidth, height: panel.height },
      { displayModeBar: false, responsive: false });
    study.drawn = drawn.size;
  };
  const figures = [...document.querySelectorAll("[data-panel]")];
  const drawAll = () => figures.forEach(draw);

  const watcher = new IntersectionObserver((entries) => entries.forEach((entry) => entry.isIntersecting && draw(entry.target)),
    { rootMargin: "600px" });
  figures.forEach((figure) => watcher.observe(figure));

  const fit = (target) => {
    const width = target.parentElement.clientWidth;
    if (width && width !== target.layout.width) Plotly.react(target, target.data, { ...target.layout, width });
  };
  window.addEventListener("resize", () => drawn.forEach(fit));
  window.addEventListener("beforeprint", drawAll);

  document.querySelectorAll(".methods button").forEach((button) => button.addEventListener("click", () => {
    const method = button.dataset.method, show = hidden.delete(method);
    if (!show) hidden.add(method);
    button.setAttribute("aria-pressed", String(show));
    drawn.forEach((target) => {
      const own = target.data.flatMap((trace, i) => (trace.meta === method ? [i] : []));
      if (own.length) Plotly.restyle(target, { visible: show }, own);
    });
  }));
})();

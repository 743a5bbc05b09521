// One chart of all chosen metrics, with a cursor. Without it the page has a picture for each metric, and a table.
"use strict";
(() => {
  const box = document.getElementById("chart");
  if (!box || !window.uPlot) return;
  const { versions, series } = JSON.parse(box.dataset.series);
  if (versions.length < 2 || !series.length) return;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const probe = document.createElement("span");
  box.append(probe);
  const colour = (name) => { probe.style.color = style(name); return getComputedStyle(probe).color; };
  const tokens = ["--accent", "--good", "--waiting", "--bad", "--past", "--text"];
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 4], [12, 4]];
  const axis = { stroke: () => colour("--text"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { stroke: () => colour("--line"), width: 1 } };
  const scales = [...new Set(series.map((one) => one.scale))];
  const short = (value) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(6))));
  const options = {
    width: box.clientWidth,
    height: 300,
    legend: { live: true },
    // Metrics have different units: each has a scale, and the first two have an axis.
    scales: { x: { time: false }, ...Object.fromEntries(scales.map((scale) => [`y${scale}`, { auto: true }])) },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? `v${tick}` : "")) },
      ...scales.slice(0, 2).map((scale, place) => ({ ...axis, scale: `y${scale}`, side: place ? 1 : 3, grid: { ...axis.grid, show: place === 0 }, stroke: () => colour(tokens[series.findIndex((one) => one.scale === scale) % tokens.length]) })),
    ],
    series: [
      { label: "version", value: (_, value) => (value === null ? "–" : `v${value}`) },
      ...series.map((one, place) => ({
        label: one.label, scale: `y${one.scale}`, width: 2, dash: dashes[place % dashes.length], stroke: () => colour(tokens[place % tokens.length]), value: (_, value) => short(value),
      })),
    ],
  };
  const chart = new window.uPlot(options, [versions, ...series.map((one) => one.values)], box);
  box.classList.add("drawn");
  chart.over.addEventListener("click", () => {
    const place = chart.cursor.idx;
    if (place !== null && place !== undefined) location.assign(box.dataset.address + versions[place]);
  });
  window.addEventListener("resize", () => chart.setSize({ width: box.clientWidth, height: 300 }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.redraw());
})();

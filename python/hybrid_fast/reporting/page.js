"use strict";
// Draws the chosen variant of each figure with as many columns as the window has room for.
const specs = JSON.parse(document.getElementById("specs").textContent);
const drawn = new Map();
const OPTIONS = { mode: "vega-lite", renderer: "svg", actions: false, tooltip: { theme: "light" } };

function chosenVariant(figure) {
  const inputs = figure.querySelectorAll(".controls fieldset");
  const options = Array.from(inputs, (set) => set.querySelector("input:checked").value);
  return figure.dataset.name + "|" + options.join("|");
}

async function draw(figure) {
  const place = figure.querySelector(".chart");
  const key = chosenVariant(figure);
  const entry = specs[key];
  if (!entry) {
    if (drawn.get(figure)) drawn.get(figure).finalize();
    drawn.delete(figure);
    place.textContent = "No finished run for this choice.";
    return;
  }
  const spec = structuredClone(entry.spec);
  const room = Math.max(1, Math.floor((place.clientWidth + 10) / entry.panelWidth));
  if (spec.concat) spec.columns = Math.min(entry.columns, room);
  const before = drawn.get(figure);
  const result = await vegaEmbed(place, spec, OPTIONS);
  if (before) before.finalize();
  drawn.set(figure, result);
  figure.dataset.columns = String(spec.columns || 1);
}

function sortTable(header) {
  const table = header.closest("table");
  const column = Number(header.dataset.sort);
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const value = (row) => row.cells[column].textContent.trim();
  const numeric = (text) => Number.parseFloat(text.replace("−", "-").replace("< ", "").replaceAll(",", ""));
  const rows = Array.from(table.tBodies[0].rows);
  rows.sort((a, b) => {
    const [x, y] = [numeric(value(a)), numeric(value(b))];
    const order = Number.isNaN(x) || Number.isNaN(y) ? value(a).localeCompare(value(b), "en") : x - y;
    return ascending ? order : -order;
  });
  table.tBodies[0].append(...rows);
}

const figures = Array.from(document.querySelectorAll("figure[data-name]"));
const ready = (async () => {
  for (const figure of figures) await draw(figure);
  document.body.dataset.ready = "yes";
})();
for (const figure of figures) {
  figure.addEventListener("change", () => draw(figure));
}
document.querySelectorAll("th[data-sort]").forEach((header) => {
  header.addEventListener("click", () => sortTable(header));
});
let timer = 0;
let width = window.innerWidth;
window.addEventListener("resize", () => {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    await ready;
    for (const figure of figures) await draw(figure);
  }, 200);
});

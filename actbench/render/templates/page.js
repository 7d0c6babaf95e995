"use strict";
(() => {
const all = (query, root = document) => [...root.querySelectorAll(query)];
const one = id => document.getElementById(id);
const text = (element, words) => { element.textContent = words; return element; };
document.documentElement.classList.add("script");

// Values where a reader points: the titles of marks, shown at once.
const tips = new WeakMap(), tip = one("tip");
const collect = root => all("svg :not(svg) > title", root).forEach(title => {
  tips.set(title.parentNode, title.textContent);
  title.remove();
});
collect(document);
const point = event => {
  let mark = event.target;
  while (mark instanceof Element && !tips.has(mark)) mark = mark.parentElement;
  tip.hidden = !(mark instanceof Element);
  if (tip.hidden) return;
  text(tip, tips.get(mark));
  const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  tip.style.left = Math.max(4, x) + "px";
  tip.style.top = event.clientY + 18 + "px";
};
document.addEventListener("pointerover", point);
document.addEventListener("pointerdown", point);

// Arms found by name: all others fade in every picture and table.
const find = one("find-arm");
if (find) find.addEventListener("input", () => {
  const wanted = find.value.trim().toLowerCase();
  const found = new Set();
  all("#arms li[data-name]").forEach(item => {
    const fits = item.dataset.name.toLowerCase().includes(wanted);
    item.hidden = !fits;
    if (fits) found.add(item.dataset.number);
  });
  all("[data-arm]").forEach(mark => mark.classList.toggle("faded", wanted !== "" && !found.has(mark.dataset.arm)));
});

// Tables sort by the column that is clicked.
const key = cell => {
  const words = cell.textContent.trim().replace("\u2212", "-");
  const number = /^[-+<]?\s*[\d,]*\.?\d+/.exec(words);
  return number ? parseFloat(number[0].replace(/[<,\s]/g, "")) : words;
};
const order = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
all("table.sorts").forEach(table => all("thead th", table).forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "descending";
    all("th[aria-sort]", table).forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "ascending" : "descending");
    const rows = all("tbody tr", table).map(row => [key(row.cells[column]), row]);
    rows.sort(([a], [b]) => down ? order(a, b) : order(b, a));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  });
}));

// The comparison again: another metric, another baseline, fewer seeds.
const source = one("explore-data");
if (!source) return;
const data = JSON.parse(source.textContent);
const panel = one("explore"), chart = one("explore-chart"), said = one("explore-said");
const metricOf = one("explore-metric"), baselineOf = one("explore-baseline");
const slider = one("explore-count"), count = one("explore-count-said");
all(".states").forEach(states => states.remove());
panel.hidden = false;
const option = (name, value) => { const made = document.createElement("option"); made.value = value; return text(made, name); };
data.metrics.forEach((metric, index) => metricOf.append(option(metric.name, index)));
data.arms.forEach((arm, index) => baselineOf.append(option(arm.name, index)));
baselineOf.value = data.baseline;
const boxes = data.seeds.map((seed, index) => {
  const label = document.createElement("label"), box = document.createElement("input");
  box.type = "checkbox";
  box.checked = true;
  box.value = index;
  label.append(box, document.createTextNode(" " + seed));
  one("explore-seeds").append(label);
  box.addEventListener("change", draw);
  return box;
});
let drawn = data.seeds.map((_, index) => index);
slider.max = slider.value = data.seeds.length;

const root = chart.firstElementChild;
const svg = (name, attributes, parent) => {
  const made = document.createElementNS(root.namespaceURI, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  if (parent) parent.append(made);
  return made;
};
const set = (element, attributes) => { for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value); };
const ground = svg("g", {}, root);
const rows = data.arms.map(arm => {
  const group = svg("g", {"data-arm": arm.arm, class: "moves"}, root);
  const name = text(svg("text", {x: 0, fill: "currentColor"}, group), arm.name);
  const line = width => svg("line", {stroke: "currentColor", "stroke-width": width, opacity: 0.8}, group);
  const thin = line(1.5), thick = line(5);
  const dots = data.seeds.map(() => svg("circle", {r: 3, fill: arm.colour, opacity: 0.85}, group));
  const mean = svg("path", {fill: arm.colour, stroke: "var(--page)", d: "M0-6L6 0L0 6L-6 0Z"}, group);
  return {group, name, thin, thick, dots, mean, number: svg("text", {"text-anchor": "end", fill: "currentColor"}, group)};
});

const signed = (number, metric) => (number < 0 ? "\u2212" : "+") + Math.abs(number).toFixed(metric.digits);
function summary(values, quantiles) {
  const n = values.length, mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 3) return {mean, n, reach: Infinity};
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1));
  return {mean, n, reach: quantiles[n - 2] * sd / Math.sqrt(n)};
}
function differences(metric, arm, base, seeds) {
  const first = metric.values[arm], second = metric.values[base];
  return seeds.filter(seed => first[seed] !== null && second[seed] !== null).map(seed => [seed, first[seed] - second[seed]]);
}

function draw() {
  const metric = data.metrics[metricOf.value || 0], base = Number(baselineOf.value);
  const allowed = drawn.filter(seed => boxes[seed].checked);
  slider.max = Math.max(1, allowed.length);
  const seeds = allowed.slice(0, Number(slider.value)), every = data.seeds.map((_, index) => index);
  text(count, `${seeds.length} of ${data.seeds.length}`);
  const shown = data.arms.map((arm, index) => index).filter(index => {
    const box = one(`show-${data.arms[index].arm}`);
    return index !== base && (!box || box.checked);
  });
  const found = shown.map(index => {
    const pairs = differences(metric, index, base, seeds), values = pairs.map(pair => pair[1]);
    const alone = values.length ? summary(values, data.alone) : null;
    return {index, pairs, alone, adjusted: alone && summary(values, data.adjusted)};
  });
  const ranked = found.filter(row => row.alone).sort((a, b) => metric.sign * (b.alone.mean - a.alone.mean));

  // The axis is that of all seeds, so that what jumps is the result and not the scale.
  const usual = shown.flatMap(index => differences(metric, index, base, every).map(pair => Math.abs(pair[1])));
  const reach = 1.08 * Math.max(...usual, 1e-9);
  const width = Math.max(320, chart.clientWidth), narrow = width < 560;
  const left = narrow ? 8 : 150, right = width - (narrow ? 8 : 110), step = narrow ? 50 : 34, top = 26;
  const x = value => left + (Math.min(Math.max(value, -reach), reach) + reach) / (2 * reach) * (right - left);
  const height = top + step * ranked.length + 40;
  set(root, {viewBox: `0 0 ${width} ${height}`, width, height});
  ground.replaceChildren();
  if (data.margin && metric.points) {
    const margin = 100 * data.margin;
    svg("rect", {x: x(-margin), y: top, width: x(margin) - x(-margin), height: height - top - 36, fill: "var(--band)"}, ground);
  }
  svg("line", {x1: x(0), x2: x(0), y1: top - 6, y2: height - 36, stroke: "currentColor"}, ground);
  [-reach / 1.08, 0, reach / 1.08].forEach(value => text(svg("text",
    {x: x(value), y: height - 18, "text-anchor": value < 0 ? "start" : value > 0 ? "end" : "middle", fill: "var(--quiet)", "font-size": 12}, ground),
    value ? signed(value, metric) : "0"));
  text(svg("text", {x: (left + right) / 2, y: height - 3, "text-anchor": "middle", fill: "var(--quiet)", "font-size": 12}, ground),
    `${metric.name} minus ${data.arms[base].name}${metric.points ? " (points)" : ""}`);
  rows.forEach(row => { row.group.style.display = "none"; });
  ranked.forEach((row, place) => {
    const parts = rows[row.index], y = top + step * (place + 0.5);
    parts.group.style.display = "";
    parts.group.style.transform = `translateY(${y}px)`;
    set(parts.name, {y: narrow ? -10 : 5, "font-weight": place ? 400 : 600});
    [[parts.thin, row.adjusted], [parts.thick, row.alone]].forEach(([line, sum]) => {
      const far = Number.isFinite(sum.reach);
      set(line, {x1: x(far ? sum.mean - sum.reach : sum.mean), x2: x(far ? sum.mean + sum.reach : sum.mean), y1: narrow ? 6 : 0, y2: narrow ? 6 : 0});
    });
    set(parts.mean, {transform: `translate(${x(row.alone.mean)} ${narrow ? 6 : 0})`});
    parts.dots.forEach(dot => { dot.style.display = "none"; });
    row.pairs.forEach(([seed, value]) => {
      parts.dots[seed].style.display = "";
      set(parts.dots[seed], {cx: x(value), cy: narrow ? 16 : 11});
      tips.set(parts.dots[seed], `${data.arms[row.index].name}, seed ${data.seeds[seed]}: ${signed(value, metric)}`);
    });
    const low = row.alone.mean - row.alone.reach, high = row.alone.mean + row.alone.reach;
    const bounds = Number.isFinite(row.alone.reach) ? ` [${signed(low, metric)} to ${signed(high, metric)}]` : "";
    tips.set(parts.mean, `${data.arms[row.index].name}: ${signed(row.alone.mean, metric)}${bounds}`);
    text(parts.number, signed(row.alone.mean, metric));
    set(parts.number, {x: width, y: narrow ? -10 : 5});
  });
  say(metric, base, ranked, seeds);
}

function say(metric, base, ranked, seeds) {
  if (!ranked.length) { text(said, "No arm has a value with these seeds."); return; }
  const best = ranked[0], isAhead = metric.sign * best.alone.mean > 0;
  const names = seeds.length <= 5 ? `seed${seeds.length > 1 ? "s" : ""} ${seeds.map(seed => data.seeds[seed]).join(", ")}` : `${seeds.length} seeds`;
  const winner = isAhead ? `${data.arms[best.index].name} is first, ${signed(best.alone.mean, metric)}${metric.points} to ${data.arms[base].name}` : `${data.arms[base].name} is first`;
  const clear = ranked.filter(row => Math.abs(row.alone.mean) > row.adjusted.reach).length;
  const sure = seeds.length < 3 ? "fewer than 3 seeds have no interval" : `${clear} of ${ranked.length} thin intervals exclude 0`;
  text(said, `With ${names}: ${winner}; ${sure}.`);
}

metricOf.addEventListener("change", draw);
baselineOf.addEventListener("change", draw);
slider.addEventListener("input", draw);
one("explore-again").addEventListener("click", () => {
  for (let last = drawn.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [drawn[last], drawn[other]] = [drawn[other], drawn[last]];
  }
  draw();
});
all("#arms input[type=checkbox]").forEach(box => box.addEventListener("change", draw));
addEventListener("resize", draw);
draw();
})();

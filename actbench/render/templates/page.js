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

// Arms that are hidden, looked at alone or found by name, in every picture and table: all others fade.
const find = one("find-arm");
const showArms = () => {
  const wanted = find.value.trim().toLowerCase(), off = new Set(), clear = new Set();
  const isAlone = !one("only-none").checked;
  all("#arms li[data-name]").forEach(item => {
    const number = item.dataset.number, fits = item.dataset.name.toLowerCase().includes(wanted);
    item.hidden = !fits;
    if (!one(`show-${number}`).checked) off.add(number);
    if (fits && (!isAlone || one(`only-${number}`).checked)) clear.add(number);
  });
  all("[data-arm]").forEach(mark => {
    mark.classList.toggle("off", off.has(mark.dataset.arm));
    mark.classList.toggle("faded", !clear.has(mark.dataset.arm));
  });
};
if (find) {
  one("arms").addEventListener("input", showArms);
  showArms();
}
all("label.more input").forEach(box => box.addEventListener("change", () => {
  box.parentElement.nextElementSibling.classList.toggle("all-columns", box.checked);
}));

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
const said = one("explore-said"), slider = one("explore-count"), count = one("explore-count-said");
all("#explore, #chosen").forEach(panel => { panel.hidden = false; });
const option = (name, value) => { const made = document.createElement("option"); made.value = value; return text(made, name); };
const every = data.seeds.map((_, index) => index);
let drawn = [...every], isPlanned = true;
const LETTER = 8;  // the width of a letter, in pixels
slider.max = slider.value = data.seeds.length;

// Two menus for one choice: above the first picture and beside the seeds.
const chooser = (ids, choices, planned) => {
  const menus = ids.map(one);
  const choose = value => menus.forEach(menu => { menu.value = value; });
  menus.forEach(menu => {
    choices.forEach((choice, index) => menu.append(option(choice.name, index)));
    menu.addEventListener("change", () => { choose(menu.value); isPlanned = false; draw(); });
  });
  choose(planned);
  return {get: () => Number(menus[0].value), reset: () => choose(planned)};
};
const metricOf = chooser(["explore-metric", "chosen-metric"], data.metrics, 0);
const baselineOf = chooser(["explore-baseline", "chosen-baseline"], data.arms, data.baseline);
const ownBaselines = option("each arm's own", "");  // shown as long as the picture is the planned one
ownBaselines.hidden = ownBaselines.disabled = true;
if (data.has_several_baselines) one("chosen-baseline").prepend(ownBaselines);
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

const signed = (number, metric) => (number < 0 ? "\u2212" : "+") + Math.abs(number).toFixed(metric.digits);
const round = number => number ? (number < 0 ? "\u2212" : "+") + Number(Math.abs(number).toFixed(6)) : "0";
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
function ranked(metric, base, seeds) {
  const rows = data.arms.map((arm, index) => {
    const box = one(`show-${arm.arm}`), pairs = differences(metric, index, base, seeds);
    if (index === base || !pairs.length || (box && !box.checked)) return null;
    const values = pairs.map(pair => pair[1]);
    const alone = summary(values, data.alone), isWhole = pairs.length === differences(metric, index, base, every).length;
    const printed = isWhole && base === data.baseline && metric.printed[index];  // as the table prints it: sums of rounded values may differ in the last digit
    return {index, pairs, alone, words: printed || signed(alone.mean, metric), adjusted: summary(values, data.adjusted)};
  });
  return rows.filter(row => row).sort((a, b) => metric.sign * (b.alone.mean - a.alone.mean));
}

const svg = (name, attributes, parent) => {
  const made = document.createElementNS(document.querySelector("svg").namespaceURI, name);
  set(made, attributes);
  parent.append(made);
  return made;
};
const set = (element, attributes) => { for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value); };
// By the number of letters: measuring a text would lay the whole page out anew.
const fitted = (words, room) => words.length * LETTER <= room ? words : words.slice(0, Math.max(3, Math.floor(room / LETTER) - 1)) + "\u2026";

// A chart in a holder; the function draws rows into it, with the axis of all seeds, so that results jump and not the scale.
function chartIn(holder) {
  const root = holder.firstElementChild, ground = svg("g", {}, root);
  const parts = data.arms.map(arm => {
    const group = svg("g", {"data-arm": arm.arm, class: "moves"}, root);
    const line = width => svg("line", {stroke: "currentColor", "stroke-width": width, opacity: 0.8}, group);
    const shape = all(`#arms li[data-number="${arm.arm}"] path`)[0];
    const name = svg("text", {fill: "currentColor"}, group), thin = line(1.5), thick = line(5);
    const dots = data.seeds.map(() => svg("circle", {r: 3, fill: arm.colour, opacity: 0.85}, group));
    const mean = svg("path", {fill: arm.colour, stroke: "var(--page)", d: shape.getAttribute("d")}, group);
    return {group, name, thin, thick, dots, mean, number: svg("text", {"text-anchor": "end", fill: "currentColor"}, group)};
  });
  return (metric, base, rows) => {
    const usual = data.arms.flatMap((arm, index) => index === base ? [] : differences(metric, index, base, every).map(pair => Math.abs(pair[1])));
    const reach = 1.08 * Math.max(...usual, 10 ** -metric.digits);
    const width = Math.max(280, holder.clientWidth), narrow = width < 560, quiet = {fill: "var(--quiet)", "font-size": 12};
    const longest = LETTER * Math.max(...data.arms.map(arm => arm.name.length));
    const left = narrow ? 8 : Math.min(Math.max(longest, 60), 0.34 * width) + 16, right = width - (narrow ? 8 : 80);
    const step = narrow ? 50 : 34, top = 26, height = top + step * rows.length + 44, bottom = height - 40;
    const x = value => left + (Math.min(Math.max(value, -reach), reach) + reach) / (2 * reach) * (right - left);
    const words = (content, attributes) => text(svg("text", {...quiet, ...attributes}, ground), content);
    set(root, {viewBox: `0 0 ${width} ${height}`, width, height});
    ground.replaceChildren();
    if (data.margin && metric.points && metric === data.metrics[0]) {
      const margin = 100 * data.margin;
      svg("rect", {x: x(-margin), y: top, width: x(margin) - x(-margin), height: bottom - top, fill: "var(--band)"}, ground);
    }
    const power = 10 ** Math.floor(Math.log10(reach));
    const apart = [0.2, 0.5, 1, 2, 5].map(factor => factor * power).find(size => reach / size < (narrow ? 3 : 5));
    for (let place = -Math.floor(reach / apart); place <= reach / apart; place++) {
      const at = x(place * apart);
      svg("line", {x1: at, x2: at, y1: top, y2: bottom, stroke: place ? "var(--grid)" : "currentColor"}, ground);
      words(round(place * apart), {x: at, y: bottom + 16, "text-anchor": "middle"});
    }
    const name = data.arms[base].name, sides = metric.sign > 0 ? ["worse", "better"] : ["better", "worse"];
    words(`\u2190 ${sides[0]}`, {x: x(0) - 10, y: top - 12, "text-anchor": "end"});
    words(narrow ? `${sides[1]} \u2192` : `${sides[1]} than ${name} \u2192`, {x: x(0) + 10, y: top - 12});
    words(`${metric.name} minus ${name}${metric.points ? " (points)" : ""}`, {x: (left + right) / 2, y: height - 6, "text-anchor": "middle"});
    parts.forEach(part => { part.group.style.display = "none"; });
    rows.forEach((row, place) => {
      const part = parts[row.index], y = top + step * (place + 0.5), label = data.arms[row.index].name;
      part.group.style.display = "";
      part.group.style.transform = `translateY(${y}px)`;
      set(part.name, {x: narrow ? 0 : left - 12, y: narrow ? -10 : 5, "text-anchor": narrow ? "start" : "end", "font-weight": place ? 400 : 600});
      text(part.name, fitted(label, narrow ? width - 90 : left - 12));
      const low = row.alone.mean - row.alone.reach, high = row.alone.mean + row.alone.reach, line = narrow ? 6 : 0;
      [[part.thin, row.adjusted], [part.thick, row.alone]].forEach(([bar, sum]) => {
        const far = Number.isFinite(sum.reach) ? sum.reach : 0;
        set(bar, {x1: x(sum.mean - far), x2: x(sum.mean + far), y1: line, y2: line});
      });
      set(part.mean, {transform: `translate(${x(row.alone.mean) - 6} ${line - 6})`});
      part.dots.forEach(dot => { dot.style.display = "none"; });
      row.pairs.forEach(([seed, value]) => {
        part.dots[seed].style.display = "";
        set(part.dots[seed], {cx: x(value), cy: line + 11});
        tips.set(part.dots[seed], `${label}, seed ${data.seeds[seed]}: ${signed(value, metric)}`);
      });
      const bounds = Number.isFinite(row.alone.reach) ? ` [${signed(low, metric)} to ${signed(high, metric)}]` : "";
      tips.set(part.mean, `${label}: ${row.words}${bounds}`);
      text(part.number, row.words);
      set(part.number, {x: width, y: narrow ? -10 : 5});
    });
  };
}
const drawSeeds = chartIn(one("explore-chart")), drawChosen = chartIn(one("chosen-chart"));

function draw() {
  const metric = data.metrics[metricOf.get()], base = baselineOf.get();
  const allowed = drawn.filter(seed => boxes[seed].checked);
  slider.max = Math.max(1, allowed.length);
  const seeds = allowed.slice(0, Number(slider.value));
  text(count, `${seeds.length} of ${data.seeds.length}`);
  const rows = ranked(metric, base, seeds);
  drawSeeds(metric, base, rows);
  say(metric, base, rows, seeds);
  all("#figure-differences, #figure-arms").forEach(planned => { planned.hidden = !isPlanned; });
  one("chosen-figure").hidden = one("as-planned").hidden = isPlanned;
  if (isPlanned && data.has_several_baselines) one("chosen-baseline").value = "";
  if (isPlanned) return;
  drawChosen(metric, base, ranked(metric, base, every));
  text(one("chosen-said"), `${metric.name} minus ${data.arms[base].name}, every seed, to explore: the verdicts in the table are those of the plan, on ${data.metrics[0].name}.`);
}

function say(metric, base, rows, seeds) {
  if (!rows.length) { text(said, "No arm has a value with these seeds."); return; }
  const best = rows[0], isAhead = metric.sign * best.alone.mean > 0;
  const names = seeds.length <= 5 ? `seed${seeds.length > 1 ? "s" : ""} ${seeds.map(seed => data.seeds[seed]).join(", ")}` : `${seeds.length} seeds`;
  const winner = isAhead ? `${data.arms[best.index].name} is first, ${best.words.slice(/\d/.exec(best.words).index)}${metric.points} ${best.alone.mean > 0 ? "above" : "below"} ${data.arms[base].name}` : `${data.arms[base].name} is first`;
  const clear = rows.filter(row => Math.abs(row.alone.mean) > row.adjusted.reach).length;
  const sure = seeds.length < 3 ? "fewer than 3 seeds have no interval" : `${clear} of ${rows.length} thin intervals exclude 0`;
  text(said, `With ${names}: ${winner}; ${sure}.`);
}

slider.addEventListener("input", draw);
one("as-planned").addEventListener("click", () => { metricOf.reset(); baselineOf.reset(); isPlanned = true; draw(); });
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
if (find) showArms();
})();

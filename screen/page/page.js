"use strict";
const byId = id => document.getElementById(id);
const MEANS = {keep: "", veto: "below the threshold", missing: "did not come", unreadable: "no frame", skipped: "came too fast"};
const percent = x => x === null ? "–" : (100 * x).toFixed(x < 0.1 ? 1 : 0) + " %";
const number = n => n.toLocaleString("en-GB").replaceAll(",", "\u2009");
const ms = x => x === null ? "–" : x < 1000 ? x.toFixed(x < 10 ? 1 : 0) + " ms" : (x / 1000).toFixed(1) + " s";
let heard = 0, ended = false;
const trend = [];

function cell(kind, text, small) {
  const made = document.createElement(kind);
  made.textContent = text;
  if (small) made.append(Object.assign(document.createElement("small"), {textContent: small}));
  return made;
}

function state(kind, text) {
  byId("state").className = kind;
  byId("state").textContent = text;
}

function tell(s) {
  heard = Date.now();
  ended = !s.running;
  document.body.dataset.delay = (heard / 1000 - s.time).toFixed(3);
  document.title = `${percent(s.hit_rate)} hits – singlehit`;
  byId("source").textContent = s.source;
  state(s.running ? "on" : "wait", s.running ? "screening" : "ended");
  byId("hit_rate").textContent = percent(s.hit_rate);
  byId("share_kept").textContent = percent(s.share_kept);
  byId("outside").textContent = percent(s.outside);
  byId("frames_per_s").textContent = number(Math.round(s.frames_per_s));
  byId("delay").textContent = ms(s.delay_p50_ms);
  byId("p99").textContent = s.delay_p99_ms === null ? "" : `(99 %: ${ms(s.delay_p99_ms)})`;
  byId("queue").textContent = number(s.queue);
  byId("window").textContent = number(s.window);
  byId("threshold").textContent = `kept from ${s.threshold.toFixed(3)} on`;
  const most = Math.log1p(Math.max(1, ...s.histogram)), n = s.histogram.length;
  const bars = s.histogram.map((count, at) => {
    const bar = document.createElement("i");
    bar.style.height = 100 * Math.log1p(count) / most + "%";
    bar.title = `${(at / n).toFixed(2)} to ${((at + 1) / n).toFixed(2)}: ${number(count)}`;
    const below = n * s.threshold - at;  // share of the bar that is
    if (below <= 0) bar.className = "above";
    else if (below < 1) { bar.className = "both"; bar.style.setProperty("--below", 100 * below + "%"); }
    return bar;
  });
  const line = document.createElement("u");
  line.style.left = 100 * s.threshold + "%";
  byId("histogram").replaceChildren(...bars, line);
  const total = Object.values(s.counts).reduce((a, b) => a + b, 0);
  const rows = Object.entries(s.counts).map(([name, count]) => {
    const row = document.createElement("tr");
    row.append(cell("th", name, MEANS[name]), cell("td", number(count)), cell("td", total ? percent(count / total) : ""));
    return row;
  });
  const sum = document.createElement("tr");
  sum.className = "sum";
  sum.append(cell("th", "arrived"), cell("td", number(total)), cell("td", s.repeated ? `${number(s.repeated)} came again` : ""));
  byId("counts").tBodies[0].replaceChildren(...rows, sum);
  const late = Object.entries(s.dropped).filter(([, count]) => count).map(([name, count]) => `${name} was too slow for ${number(count)} batches, or failed`);
  const alarms = [...late, ...s.alarms].reverse();
  byId("alarms").hidden = !alarms.length;
  byId("alarms").querySelector("ol").replaceChildren(...alarms.map(text => cell("li", text)));
  if (s.hit_rate !== null) {
    if (!trend.length || heard - trend.at(-1)[0] >= 1000) trend.push([heard, s.hit_rate]);
    while (heard - trend[0][0] > 300000) trend.shift();
    const top = Math.max(0.05, ...trend.map(point => point[1]));
    const span = Math.max(30000, heard - trend[0][0]);
    const points = trend.map(([t, rate]) => `${300 * (1 - (heard - t) / span)},${39 - 38 * rate / top}`);
    byId("trend").querySelector("polyline").setAttribute("points", points.join(" "));
  }
}

function show(pictures) {
  for (const [decision, {n, powder, last}] of Object.entries(pictures)) {
    const section = byId(decision), image = section.querySelector(".powder img");
    section.querySelector(".n").textContent = number(n);
    if (powder) { image.src = powder; image.hidden = false; }
    section.querySelector(".last").replaceChildren(...last.map(({id, p, src}) => {
      const figure = document.createElement("figure"), picture = new Image();
      picture.src = src;
      picture.alt = figure.title = id;
      figure.append(picture, cell("figcaption", `${p.toFixed(2)}  ${id.split(":").slice(-2).join(":")}`));
      return figure;
    }));
  }
}

const events = new EventSource("events");
events.addEventListener("status", event => tell(JSON.parse(event.data)));
events.addEventListener("pictures", event => show(JSON.parse(event.data)));
setInterval(() => {
  if (!ended && heard && Date.now() - heard > 2000) state("off", `no word for ${Math.round((Date.now() - heard) / 1000)} s`);
}, 500);

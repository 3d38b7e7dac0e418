// The script of a page: the numbers under the pointer. It reads the data that
// stands beside each picture, and writes text only, never HTML.
#include "drawing/page.h"

namespace colossus::drawing {

std::string_view page_script() {
  return R"js(
"use strict";
const number = (value, digits) =>
  value.toLocaleString("en", {maximumSignificantDigits: digits});

// Index of the value of a rising list that is nearest to x.
function nearest(list, x) {
  let low = 0, high = list.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < x) low = middle + 1; else high = middle;
  }
  return low > 0 && x - list[low - 1] < list[low] - x ? low - 1 : low;
}

function add(parent, name) {
  const child = document.createElement("div");
  child.className = name;
  child.hidden = true;
  return parent.appendChild(child);
}

function show(box, tip, at, title, lines) {
  tip.replaceChildren();
  tip.appendChild(document.createElement("b")).textContent = title;
  for (const line of lines) {
    tip.appendChild(document.createElement("div")).textContent = line;
  }
  tip.hidden = false;
  const room = box.clientWidth - tip.offsetWidth;
  const left = at + 12 <= room ? at + 12 : at - tip.offsetWidth - 12;
  tip.style.left = Math.min(Math.max(left, -30), Math.max(room, -30)) + "px";
}

function readOut(box, describe) {
  const source = box.querySelector("script[type='application/json']");
  const data = JSON.parse(source.textContent);
  const cursor = add(box, "cursor"), tip = add(box, "tip");
  const hide = () => { cursor.hidden = tip.hidden = true; };
  box.addEventListener("pointermove", event => {
    const area = box.getBoundingClientRect();
    const x = Math.min(Math.max((event.clientX - area.left) / area.width, 0), 1);
    const y = Math.min(Math.max((event.clientY - area.top) / area.height, 0), 1);
    const found = describe(data, x, y);
    if (!found) return hide();
    cursor.hidden = false;
    cursor.style.left = found.at * 100 + "%";
    show(box, tip, found.at * area.width, found.title, found.lines);
  });
  box.addEventListener("pointerleave", hide);
}

function describeCurves(data, x) {
  const at = data.log
    ? value => Math.log(value / data.low) / Math.log(data.high / data.low)
    : value => (value - data.low) / (data.high - data.low);
  const target = data.log ? data.low * Math.pow(data.high / data.low, x)
                          : data.low + x * (data.high - data.low);
  const series = data.series.filter(one => one.x.length > 0);
  if (series.length === 0) return null;
  const points = series.map(one => nearest(one.x, target));
  const distance = i => Math.abs(series[i].x[points[i]] - target);
  let best = 0;
  for (let i = 1; i < series.length; ++i) {
    if (distance(i) < distance(best)) best = i;
  }
  const step = series[best].x[points[best]];
  const lines = series.map((one, i) => {
    const there = one.x[points[i]];
    const label = one.labels[points[i]];
    const value = one.name + " " + number(one.y[points[i]], 5) +
      (label ? ": " + label : "");
    // Said only where the distance can be seen.
    const isNear = Math.abs(at(there) - at(step)) < 0.01;
    return isNear ? value
      : value + " (" + data.xName + " " + number(there, 9) + ")";
  });
  return {at: at(step), title: data.xName + " " + number(step, 9), lines};
}

function describeExperts(data, x, y) {
  const columns = data.steps.length, experts = data.shares[0].length;
  const column = Math.min(Math.floor(x * columns), columns - 1);
  const expert = Math.min(Math.floor(y * experts), experts - 1);
  const [first, last] = data.steps[column];
  const share = data.shares[column][expert] / 10;
  return {at: (column + 0.5) / columns,
          title: "expert " + expert + ": " + number(share, 3) + "%",
          lines: [first === last ? "step " + number(first, 9)
                    : "steps " + number(first, 9) + " to " + number(last, 9),
                  "even would be " + number(100 / experts, 3) + "%"]};
}

for (const box of document.querySelectorAll(".frame")) {
  readOut(box, describeCurves);
}
for (const box of document.querySelectorAll(".map")) {
  readOut(box, describeExperts);
}
)js";
}

}  // namespace colossus::drawing

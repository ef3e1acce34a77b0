"use strict";
/* What the report does beyond showing: sorting, filtering, pointing at charts, choosing models and colours. All
   numbers are in the HTML; without this script it is complete. */
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, from = document) => Array.from(from.querySelectorAll(selector));
  const make = (name, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };
  /* Long names may be broken after "_". */
  const breakable = (name) => name.split(/(?<=_)/).flatMap((part, index) => (index ? [make("wbr"), part] : [part]));
  const live = document.getElementById("live");
  const say = (text) => { live.textContent = text; };

  /* ---- light and dark */
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches);
  const theme = make("button", { type: "button", className: "theme", id: "theme" });
  const nameTheme = () => { theme.textContent = isDark() ? "Light colours" : "Dark colours"; };
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
  systemDark.addEventListener("change", nameTheme);
  nameTheme();
  document.querySelector(".masthead .eyebrow").after(theme);

  /* ---- tables: sorted by data-v where a cell has it, else by text; what has no value stays last */
  const sortKey = (cell) => {
    if (cell.dataset.v !== undefined) {
      const text = cell.dataset.v;
      return text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text);
    }
    return cell.classList.contains("n") ? null : cell.textContent.trim();
  };
  const order = new Intl.Collator("en", { numeric: true }).compare;
  const compare = (a, b) => {
    if (a === null || a === "" || b === null || b === "") return null;
    return typeof a === "number" && typeof b === "number" ? a - b : order(String(a), String(b));
  };
  function sortBy(table, column, direction) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row, index) => ({ row, index, key: sortKey(row.cells[column]) }));
    const missing = (key) => key === null || key === "";
    rows.sort((a, b) => {
      if (missing(a.key) || missing(b.key)) return missing(a.key) - missing(b.key) || a.index - b.index;
      return direction * compare(a.key, b.key) || a.index - b.index;
    });
    body.append(...rows.map((entry) => entry.row));
    Array.from(table.tHead.rows[0].cells).forEach((head, index) => {
      head.setAttribute("aria-sort", index === column ? (direction > 0 ? "ascending" : "descending") : "none");
    });
  }
  function makeSortable(table) {
    if (table.tBodies[0].rows.length < 2) return;
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        sortBy(table, column, direction);
        say(`Sorted by ${button.textContent}, ${direction > 0 ? "ascending" : "descending"}`);
      });
    });
  }
  function addFilter(figure, table) {
    const input = make("input", { type: "search", autocomplete: "off", spellcheck: false });
    const found = make("span", { className: "found" });
    found.setAttribute("role", "status");
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = Array.from(table.tBodies[0].rows);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      found.textContent = `${shown} of ${rows.length} rows`;
    };
    input.addEventListener("input", apply);
    const tools = figure.querySelector(".tools") || make("div", { className: "tools" });
    tools.append(make("span", { className: "filter" }, make("label", {}, "Filter", input), found));
    if (!tools.parentNode) figure.prepend(tools);
    apply();
    return apply;
  }
  for (const figure of all("figure.table")) {
    const table = figure.querySelector("table");
    if (table.tBodies[0].rows.length > 16) figure.dataset.tall = "";
    if (figure.dataset.heat) continue;
    makeSortable(table);
    if (figure.dataset.filter && table.tBodies[0].rows.length > 5) figure.applyFilter = addFilter(figure, table);
  }

  /* ---- heat maps: any model, measure and rule out of the embedded numbers */
  function heatMap(figure) {
    const data = JSON.parse(document.getElementById("heat-data").textContent);
    const table = figure.querySelector("table");
    const state = Object.assign({ view: 0 }, data.start);
    /* As number() of markup.cpp writes it. */
    const show = (value) => {
      if (value === null) return "NaN";
      const size = Math.abs(value);
      const text = size >= 1e7 || (size > 0 && size < 0.0005)
        ? size.toExponential(2).replace(/([+-])(\d)$/, "$10$2")
        : size.toFixed(3).replace(/\B(?=(\d{3})+\.)/g, ",");
      return (value < 0 ? "\u2212" : "") + text;
    };
    const select = (label, key, texts) => {
      const box = make("select");
      texts.forEach((text, index) => box.append(new Option(text, index, false, index === state[key])));
      box.id = `heat-${key}`;
      box.addEventListener("change", () => { state[key] = Number(box.value); draw(); });
      const node = make("label", {}, label, box);
      node.dataset.key = key;
      return node;
    };
    const tools = make("div", { className: "tools" });
    const views = ["One model, all amounts of data", "One amount of data, all models"];
    if (data.models.length > 1) tools.append(select("Compare", "view", views));
    tools.append(
      select("Model", "model", data.models),
      select("Data", "fraction", data.rows.map((n) => `${n.toLocaleString("en")} rows`)),
      select("Measure", "column", data.columns));
    if (data.rules.length > 1) tools.append(select("Decisions", "rule", data.rules));
    const intervals = make("input", { type: "checkbox", id: "heat-intervals" });
    intervals.addEventListener("change", () => draw());
    tools.append(make("label", {}, intervals, "Intervals"));
    figure.prepend(tools);

    const cell = (point, subgroup, heading) => {
      const td = make("td", { className: "n" });
      const at = subgroup * data.columns.length + state.column;
      const value = point.v[at];
      const lines = [`${data.subgroups[subgroup]}`, heading];
      if (value === null) {
        td.textContent = "\u2013";
        lines.push(data.reasons[point.w[at]] || "no value");
      } else {
        const [low, high] = data.domains[state.rule][state.column];
        const step = high > low ? Math.floor(((value - low) / (high - low)) * data.steps) : 0;
        td.classList.add(`h${Math.min(Math.max(step, 0), data.steps - 1)}`);
        td.dataset.v = value;
        td.textContent = show(value);
        const interval = `[${show(point.l[at])}, ${show(point.u[at])}]`;
        if (intervals.checked) td.append(make("span", { className: "ci", textContent: interval }));
        lines.push(`${data.columns[state.column]} ${show(value)} ${interval}`,
          `${point.t} solution${point.t === 1 ? "" : "s"}, ${point.n[at].toLocaleString("en")} rows in the denominator`,
          `between trials: sd ${show(point.b[at])}; one evaluation set: se ${show(point.s[at])}`);
        if (point.f[at] === "1") {
          td.append(make("span", { className: "flag" }, make("span", { className: "hidden", textContent: " flagged" })));
          lines.push("few rows: to be read with care");
        }
      }
      td.dataset.tip = lines.join("\n");
      return td;
    };
    function draw() {
      const across = state.view === 1;
      tools.querySelector("[data-key=model]").hidden = across;
      tools.querySelector("[data-key=fraction]").hidden = !across;
      const points = data.points[state.rule];
      const pointOf = (index) => (across ? points[index][state.fraction] : points[state.model][index]);
      const shown = (across ? data.models : data.rows).map((_, index) => index).filter((index) => pointOf(index)?.t > 0);
      const headings = new Map(shown.map((index) => [index, across ? data.models[index] : data.rows[index].toLocaleString("en")]));
      const row = make("tr", {}, make("th", { scope: "col", textContent: "Subgroup" }));
      for (const heading of headings.values()) row.append(make("th", { scope: "col", className: "n", textContent: heading }));
      table.tHead.replaceChildren(row);
      table.tBodies[0].replaceChildren(...data.subgroups.map((name, subgroup) => {
        const line = make("tr", {}, make("th", { scope: "row" }, ...breakable(name)));
        for (const index of shown) line.append(cell(pointOf(index), subgroup, across ? data.models[index] : `n = ${headings.get(index)}`));
        return line;
      }));
      const what = `${data.columns[state.column]}, ${data.rules[state.rule]} decisions`;
      table.caption.firstElementChild.textContent = across
        ? `${what}, at n = ${data.rows[state.fraction].toLocaleString("en")}, by model`
        : `${what}, of ${data.models[state.model]}, by rows of data`;
      const [low, high] = data.domains[state.rule][state.column];
      document.getElementById("heat-low").textContent = low === null ? "" : show(low);
      document.getElementById("heat-high").textContent = high === null ? "" : show(high);
      makeSortable(table);
      focusable();
      if (figure.applyFilter) figure.applyFilter();
      hideTip();
    }
    const pointAt = (event) => {
      const td = event.target.closest("td[data-tip]");
      if (!td) return hideTip();
      const box = td.getBoundingClientRect();
      placeTip(td.dataset.tip, box.left + box.width / 2, box.top + 4);
    };
    /* By keyboard: Tab goes to the map, arrow keys from field to field. */
    const focusable = () => {
      const first = table.tBodies[0].querySelector("td");
      if (first) first.tabIndex = 0;
    };
    table.addEventListener("focusin", (event) => { if (event.target.matches("td")) pointAt(event); });
    table.addEventListener("focusout", () => hideTip());
    table.addEventListener("keydown", (event) => {
      const td = event.target.closest("td");
      const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
      if (!td || !move) return;
      event.preventDefault();
      const rows = Array.from(table.tBodies[0].rows).filter((row) => !row.hidden);
      const next = rows[rows.indexOf(td.parentNode) + move[0]]?.cells[td.cellIndex + move[1]];
      if (!next || !next.matches("td")) return;
      td.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      say(next.dataset.tip);
    });
    table.addEventListener("pointerover", pointAt);
    table.addEventListener("pointerleave", () => hideTip());
    draw();
  }

  /* ---- models shown or hidden, in all charts at once */
  const boxes = all(".legend input");
  function showSeries(series, on) {
    for (const box of boxes) if (box.dataset.series === series) box.checked = on;
    for (const part of all(`.chart .m${series}`)) part.classList.toggle("off", !on);
    hideTip();
  }
  for (const box of boxes) box.addEventListener("change", () => showSeries(box.dataset.series, box.checked));
  for (const legend of all(".legend")) {
    const own = all("input", legend);
    if (own.length < 3) continue;
    for (const [label, on] of [["All", true], ["None", false]]) {
      const button = make("button", { type: "button", textContent: label });
      button.setAttribute("aria-label", `${label} models`);
      button.addEventListener("click", () => own.forEach((box) => showSeries(box.dataset.series, on)));
      legend.append(button);
    }
  }

  /* ---- pointing at charts: the nearest point within reach tells its numbers; arrow keys walk along the points */
  const tip = document.getElementById("tip");
  const reach = 26;
  let halo = null;
  function hideTip() {
    tip.hidden = true;
    if (halo) halo.remove();
    halo = null;
  }
  function placeTip(text, x, y) {
    tip.textContent = text;
    tip.hidden = false;
    const width = tip.offsetWidth, height = tip.offsetHeight, view = root.clientWidth;
    const left = Math.min(Math.max(x - width / 2, 8), view - width - 8);
    const top = y - height - 14 < 4 ? y + 16 : y - height - 14;
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${top + scrollY}px`;
  }
  function showPoint(svg, point) {
    hideTip();
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    const box = svg.getBoundingClientRect();
    halo = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    halo.setAttribute("class", "halo");
    halo.setAttribute("cx", point.dataset.x);
    halo.setAttribute("cy", point.dataset.y);
    halo.setAttribute("r", 7);
    svg.append(halo);
    placeTip(point.dataset.tip, box.left + Number(point.dataset.x) * scale, box.top + Number(point.dataset.y) * scale);
  }
  function nearest(svg, points, event) {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let best = null, least = reach * scale;
    for (const point of points) {
      if (point.classList.contains("off")) continue;
      const distance = Math.hypot(point.dataset.x - x, point.dataset.y - y);
      if (distance < least) [best, least] = [point, distance];
    }
    return best;
  }
  for (const svg of all("svg.chart")) {
    const points = all(".pt", svg);
    if (points.length === 0) continue;
    const view = make("div", { className: "plot-view", tabIndex: 0 });
    view.setAttribute("role", "group");
    view.setAttribute("aria-label", `${svg.getAttribute("aria-label").split(".")[0]}: arrow keys go from point to point`);
    svg.before(view);
    view.append(svg);
    const inOrder = points.slice().sort((a, b) => {
      const series = (node) => Number(/\b[mk](\d+)\b/.exec(node.getAttribute("class"))[1]);
      return series(a) - series(b) || a.dataset.x - b.dataset.x;
    });
    let current = -1;
    svg.addEventListener("pointermove", (event) => {
      const point = nearest(svg, points, event);
      if (point) showPoint(svg, point); else hideTip();
    });
    svg.addEventListener("pointerdown", (event) => {
      const point = nearest(svg, points, event);
      if (point) showPoint(svg, point);
    });
    svg.addEventListener("pointerleave", hideTip);
    view.addEventListener("blur", hideTip);
    view.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return hideTip();
      const shown = inOrder.filter((point) => !point.classList.contains("off"));
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (shown.length === 0 || (step === undefined && event.key !== "Home" && event.key !== "End")) return;
      event.preventDefault();
      if (event.key === "Home") current = 0;
      else if (event.key === "End") current = shown.length - 1;
      else current = current < 0 || current >= shown.length ? (step > 0 ? 0 : shown.length - 1)
                                                           : (current + step + shown.length) % shown.length;
      showPoint(svg, shown[current]);
      say(shown[current].dataset.tip);
    });
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  for (const figure of all("figure.heat")) {
    heatMap(figure);
    if (figure.querySelector("table").tBodies[0].rows.length > 5) figure.applyFilter = addFilter(figure, figure.querySelector("table"));
  }

  /* ---- where one is */
  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  if ("IntersectionObserver" in window) {
    const seen = new Set();
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id);
      let first = true;
      for (const [id, link] of links) {
        const here = first && seen.has(id);
        if (here) first = false;
        here ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
      }
    }, { rootMargin: "-10% 0px -55% 0px" });
    all("main > section").forEach((section) => observer.observe(section));
  }

  /* ---- print everything that may be printed */
  let opened = [], buttons = [];
  addEventListener("beforeprint", () => {
    hideTip();
    /* Chromium leaves buttons out of the header rows that it repeats on each page. */
    buttons = all("thead button").map((button) => [button.parentNode, button, Array.from(button.childNodes)]);
    for (const [head, , words] of buttons) head.replaceChildren(...words);
    opened = all("details:not([open])");
    opened.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => {
    for (const [head, button, words] of buttons) { button.replaceChildren(...words); head.replaceChildren(button); }
    opened.forEach((details) => { details.open = false; });
    opened = [];
    buttons = [];
  });
})();

"use strict";
// Unfolds the settings of the experiments on paper.
(() => {
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("td details:not([open])")];
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
  });
})();

// Filters and sorts the table of claims; without scripts it is whole and in the order of the configuration.
(() => {
  const table = document.getElementById("claims-table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const search = document.getElementById("claims-search");
  const paper = document.getElementById("claims-paper");
  const boxes = [...document.querySelectorAll("#claims-filters input[type=checkbox]")];
  const status = document.getElementById("claims-status");
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase().replace(/\s+/g, " ")]));

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const row of rows) {
      const fits = verdicts.has(row.dataset.verdict) && (!paper.value || row.dataset.paper === paper.value) &&
        words.every((word) => texts.get(row).includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    status.textContent = `${shown} of ${rows.length} claims shown`;
  }

  function compare(a, b) {
    const x = parseFloat(a), y = parseFloat(b);
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    return Number.isNaN(x) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  }

  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const down = head.getAttribute("aria-sort") === "ascending";
      const numeric = head.classList.contains("number");
      const key = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent.trim();
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = rows.slice().sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        const empty = (x === "") - (y === "");
        return empty || (numeric ? compare(x, y) : x.localeCompare(y, "en", { numeric: true })) * (down ? -1 : 1);
      });
      body.append(...order);
    });
  }

  search.addEventListener("input", filter);
  paper.addEventListener("change", filter);
  for (const box of boxes) box.addEventListener("change", filter);
  document.getElementById("claims-filters").hidden = false;
  filter();
})();

"use strict";
(() => {
  const rows = [...document.querySelectorAll("tr.model")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const byClass = document.getElementById("by-class");
  const byText = document.getElementById("by-text");
  const shown = document.getElementById("shown");
  const filter = () => {
    const words = byText.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, place) => {
      const fits = (!byClass.value || row.dataset.class === byClass.value) && words.every((word) => texts[place].includes(word));
      row.hidden = !fits;
      count += fits ? 1 : 0;
    });
    shown.textContent = `${count} of ${rows.length}`;
  };
  byClass.addEventListener("change", filter);
  byText.addEventListener("input", filter);
  filter();

  const all = [...document.querySelectorAll("details")];
  const set = (open) => all.forEach((one) => { one.open = open; });
  document.getElementById("open-all").addEventListener("click", () => set(true));
  document.getElementById("close-all").addEventListener("click", () => set(false));
  let before = [];
  addEventListener("beforeprint", () => { before = all.map((one) => one.open); set(true); });
  addEventListener("afterprint", () => all.forEach((one, place) => { one.open = before[place]; }));
  const openTarget = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", openTarget);
  openTarget();
})();

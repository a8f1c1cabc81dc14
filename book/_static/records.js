/* A filter over the table of records: words that a row must hold. Without scripts the whole table is there.

<table class="records"> … <tr id="NAME"> … </table>
*/

function filterable(table) {
  const rows = [...table.tBodies[0].rows];
  const bar = document.createElement("div");
  bar.className = "records-filter";
  bar.innerHTML = `<label for="records-words">Show records that say</label>
    <input id="records-words" type="search" autocomplete="off" spellcheck="false">
    <output for="records-words" aria-live="polite"></output>`;
  const [, input, output] = bar.children;

  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    output.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  input.addEventListener("input", show);
  addEventListener("hashchange", () => {
    const target = rows.find((row) => row.matches(":target"));
    if (!target?.hidden) return;
    input.value = "";
    show();
    target.scrollIntoView();
  });
  table.before(bar);
  show();
}

document.querySelectorAll("table.records").forEach(filterable);

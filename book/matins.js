// On a phone, cells stand below each other: each says which column it is of.
for (const table of document.querySelectorAll("main .table-wrapper table")) {
    const headings = [...table.querySelectorAll("thead th")].map((heading) => heading.textContent);
    for (const row of table.querySelectorAll("tbody tr")) {
        [...row.cells].forEach((cell, column) => (cell.dataset.heading = headings[column] ?? ""));
    }
}

// What scrolls by itself can be reached, and scrolled, from the keyboard.
for (const region of document.querySelectorAll("main pre > code, main .table-wrapper, main p:has(> .checkbox-label)")) {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
}

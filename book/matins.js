// What scrolls by itself can be reached, and scrolled, from the keyboard.
for (const region of document.querySelectorAll("main pre > code, main .table-wrapper, main p:has(> .checkbox-label)")) {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
}

// Looks at every page of the built book in headless Chromium: at two widths, in a light and a dark theme.
//
// It fails where a page is wider than the window, a table is cut at the larger width, or axe (rules of WCAG 2 A and AA, and best practice) finds fault. With a
// directory as argument it leaves a picture of each page there. CHROMIUM names the browser, if it is not the usual one.
import { readFileSync, readdirSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const here = dirname(fileURLToPath(import.meta.url));
const book = join(here, "../../target/book");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pictures = process.argv[2];
if (pictures) mkdirSync(pictures, { recursive: true });

// The page for printing is all others at once; the table of contents is a frame without a page around it.
const pages = readdirSync(book, { recursive: true })
    .filter((file) => file.endsWith(".html") && !["print.html", "toc.html", "404.html"].includes(file))
    .sort();

const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--allow-file-access-from-files"],
});
let faults = 0;
const fault = (...words) => {
    faults += 1;
    console.log(...words);
};

for (const [theme, scheme] of [["light", "light"], ["navy", "dark"]]) {
    for (const width of [1280, 390]) {
        const tab = await browser.newPage();
        await tab.setViewport({ width, height: 900 });
        await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        await tab.evaluateOnNewDocument((theme) => {
            localStorage.setItem("mdbook-theme", theme);
            localStorage.setItem("mdbook-sidebar", "hidden");
        }, theme);
        for (const page of pages) {
            const where = `${page} (${theme}, ${width} wide):`;
            await tab.goto(`file://${join(book, page)}`, { waitUntil: "load" });
            const wide = await tab.evaluate(() => document.documentElement.scrollWidth);
            if (wide > width) fault(where, `is ${wide} wide`);
            const cut = await tab.evaluate(
                () => [...document.querySelectorAll(".table-wrapper")].filter((table) => table.scrollWidth > table.clientWidth + 1).length,
            );
            if (cut && width >= 1280) fault(where, `${cut} tables are cut`);
            await tab.evaluate(axe);
            const found = await tab.evaluate(() =>
                axe.run(document.querySelector("main"), { runOnly: ["wcag2a", "wcag2aa", "best-practice"] }),
            );
            for (const { help, nodes } of found.violations) {
                fault(where, help, nodes.slice(0, 3).map((node) => node.html.slice(0, 120)));
            }
            if (pictures) {
                const name = `${theme}-${width}-${page.replaceAll("/", "_")}.png`;
                await tab.screenshot({ path: join(pictures, name), fullPage: true });
            }
        }
        await tab.close();
    }
}
await browser.close();
console.log(`${pages.length} pages, each looked at four times: ${faults} faults`);
process.exit(faults > 0 ? 1 : 0);

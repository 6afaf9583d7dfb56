// Uses the page of a running scheduler in headless Chromium: adds a job, watches it run and fail, reads its output, pauses it, asks
// why, and looks at every page at two widths and in two themes.
//
//     node use.mjs http://127.0.0.1:8080 [DIRECTORY FOR PICTURES]
//
// It fails where something does not happen, a page is wider than its window, the browser reports an error, or axe finds fault.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const [base, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
if (pictures) mkdirSync(pictures, { recursive: true });

const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
});
let faults = 0;
const fault = (...words) => {
    faults += 1;
    console.log(...words);
};
const tab = await browser.newPage();
tab.on("pageerror", (error) => fault("script:", error.message));
tab.on("console", (message) => message.type() === "error" && fault("console:", message.text()));

const go = (path) => tab.goto(base + path, { waitUntil: "load" });
const press = async (button) => {
    await Promise.all([tab.waitForNavigation(), tab.click(button)]);
};
// What the page comes to say by itself, without being loaded again.
const says = async (what) => {
    await tab.waitForFunction((what) => document.querySelector("main").innerText.includes(what), { timeout: 30000 }, what);
};

await go("/jobs/new");
await tab.type("#id", "from-the-browser");
await tab.select("#when", "every");
await tab.type("input[name=time]", "1h");
await tab.type("#shell", "echo hello from the page; sleep 4; echo it went wrong >&2; exit 3");
await press("form.fields button");
await says("every hour");
await press("form[action$='/run'] button");
// What the run prints is shown while it runs, and how it ended when it ends.
const runs = await tab.evaluate(async () => (await fetch("/api/v1/runs?job=from-the-browser&limit=1")).json());
await go(`/runs/${runs.items[0].id}`);
await says("hello from the page");
if ((await tab.$eval("main", (main) => main.innerText)).includes("it went wrong")) fault("the output came at the end");
await says("it went wrong");
await says("exited with status 3");
await go("/jobs/from-the-browser");
await says("exited with status 3");
await says("it went wrong");
await tab.type("#why", "");
await press("form[action*='#why-title'] button");
await says("Run ");
await press("form[action$='/pause'] button");
await says("It is paused.");
await press("form[action$='/resume'] button");
await go("/");
await says("from-the-browser");
const run = await tab.$eval("#attention a[href^='/runs/']", (link) => link.getAttribute("href"));

for (const scheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
        await tab.setViewport({ width, height: 900 });
        await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        for (const path of ["/", "/jobs", "/jobs/new", "/jobs/from-the-browser", "/runs", run, "/nodes", "/settings"]) {
            const where = `${path} (${scheme}, ${width} wide):`;
            await go(path);
            const wide = await tab.evaluate(() => document.documentElement.scrollWidth);
            if (wide > width) fault(where, `is ${wide} wide`);
            await tab.evaluate(axe);
            const found = await tab.evaluate(() =>
                axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] }),
            );
            for (const { help, nodes } of found.violations) {
                fault(where, help, nodes.slice(0, 3).map((node) => node.html.slice(0, 160)));
            }
            if (pictures) {
                const name = `${scheme}-${width}-${path.replaceAll("/", "_")}.png`;
                await tab.screenshot({ path: join(pictures, name), fullPage: true });
            }
        }
    }
}
await go("/jobs/from-the-browser");
await tab.click("details.confirm summary");
await press("form[action$='/remove'] button");
await browser.close();
console.log(`the page was used and looked at: ${faults} faults`);
process.exit(faults > 0 ? 1 : 0);

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
// The page of a job that is just being removed may ask for it once more.
const gone = `${base}/jobs/from-the-browser`;
let removing = false;
tab.on("console", (message) => {
    if (message.type() !== "error") return;
    const { url } = message.location();
    if (!(removing && url === gone && message.text().includes("404"))) fault("console:", message.text(), url);
});

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
const get = (path) => tab.evaluate(async (path) => (await fetch(path)).json(), path);
const run = `/runs/${(await get("/api/v1/runs?job=from-the-browser&limit=1")).items[0].id}`;
await go(run);
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

// For pictures, there is something to see: all that the example configuration does in half a minute, and a run in progress.
const shown = { overview: "/", jobs: "/jobs", "new-job": "/jobs/new", job: "/jobs/from-the-browser", runs: "/runs", run, nodes: "/nodes", settings: "/settings" };
if (pictures) {
    await tab.evaluate(async () => {
        const shell = "n=$(($(date +%s) % 7)); echo wrote $n of 6 tables; sleep 0.$n; test $n -ne 3";
        const body = JSON.stringify({ id: "report", every: "1s", tags: ["reports"], overlap: { allow: 2 }, shell });
        await fetch("/api/v1/jobs", { method: "POST", headers: { "content-type": "application/json" }, body });
    });
    while ((await get("/api/v1/runs?job=report&limit=100")).items.length < 40) await new Promise((done) => setTimeout(done, 500));
    await tab.evaluate(async () => {
        const shell = "for file in $(seq 1 99); do echo copying file $file of 99; sleep 1; done";
        const body = JSON.stringify({ id: "backup", cron: "30 2 * * *", timezone: "Europe/Berlin", tags: ["nightly"], shell });
        await fetch("/api/v1/jobs", { method: "POST", headers: { "content-type": "application/json" }, body });
        await fetch("/api/v1/jobs/backup/run", { method: "POST" });
    });
    shown.job = "/jobs/report";
    shown.run = `/runs/${(await get("/api/v1/runs?job=backup&limit=1")).items[0].id}`;
    mkdirSync(pictures, { recursive: true });
}
for (const scheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
        await tab.setViewport({ width, height: 900 });
        await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        for (const [name, path] of Object.entries(shown)) {
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
                if (name === "run") await says("copying file");
                await tab.screenshot({ path: join(pictures, `${name}-${scheme}-${width}.png`), fullPage: width > 600 });
            }
        }
    }
}
if (pictures) await tab.evaluate(async (run) => fetch(`/api/v1${run}/cancel`, { method: "POST" }), shown.run);
await go("/jobs/from-the-browser");
await tab.click("details.confirm summary");
removing = true;
await press("form[action$='/remove'] button");
await browser.close();
console.log(`the page was used and looked at: ${faults} faults`);
process.exit(faults > 0 ? 1 : 0);

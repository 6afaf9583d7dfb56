// Keeps what is marked with data-live as it is on the server. Without this, the page shows what was so when it was loaded.
(() => {
    "use strict";
    let turn = false;
    let again = false;
    // Whether the output of a run is asked for, as it is not sent.
    let asks = false;
    const refresh = async () => {
        if (turn) {
            again = true;
            return;
        }
        turn = true;
        try {
            const answer = await fetch(location.href, { credentials: "same-origin" });
            if (answer.ok) {
                const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
                for (const old of document.querySelectorAll(asks ? "[data-live], #output" : "[data-live]")) {
                    const now = fresh.getElementById(old.id);
                    // What somebody is working in is left alone.
                    if (now && !old.contains(document.activeElement) && now.innerHTML !== old.innerHTML) {
                        const scrolled = [...old.querySelectorAll("pre")].map((pre) => [
                            pre.scrollTop,
                            pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 4,
                        ]);
                        old.replaceWith(document.importNode(now, true));
                        const place = document.getElementById(old.id);
                        place.querySelectorAll("pre").forEach((pre, at) => {
                            const [top, atEnd] = scrolled[at] ?? [0, true];
                            pre.scrollTop = atEnd ? pre.scrollHeight : top;
                        });
                    }
                }
            }
        } catch {
            // The server is away; the next event or second tries again.
        }
        setTimeout(() => {
            turn = false;
            if (again) {
                again = false;
                refresh();
            }
        }, 1000);
    };
    if (!document.querySelector("[data-live]")) return;
    // Browsers open few connections to a server: a page has one such stream at a time.
    const follow = (output) => {
        const stream = new EventSource(output.dataset.output);
        stream.addEventListener("output", (event) => {
            const news = JSON.parse(event.data);
            let pre = output.querySelector("pre");
            if (!pre) {
                pre = document.createElement("pre");
                pre.className = "output";
                pre.tabIndex = 0;
                pre.setAttribute("aria-label", "Output");
                output.replaceChildren(pre);
            }
            const atEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 4;
            if ("append" in news) pre.append(news.append);
            else pre.textContent = news.output;
            if (atEnd) pre.scrollTop = pre.scrollHeight;
        });
        stream.addEventListener("state", refresh);
        stream.addEventListener("ended", () => {
            stream.close();
            delete output.dataset.output;
            document.querySelector("#output-title + .note")?.remove();
            refresh();
            listen();
        });
        stream.onerror = () => {
            if (stream.readyState !== EventSource.CLOSED) return;
            // Too many clients listen.
            asks = true;
            listen();
        };
    };
    const listen = () => {
        const events = new EventSource("/api/v1/events");
        for (const name of [
            "scheduler_started", "scheduler_paused", "scheduler_resumed", "scheduler_shut_down",
            "job_added", "job_modified", "job_paused", "job_disabled", "job_resumed", "job_removed", "all_jobs_removed",
            "run_started", "run_postponed", "run_left_behind", "work_ended", "run_finished", "run_missed",
            "store_failed", "store_recovered", "clock_corrected", "lost",
        ]) {
            events.addEventListener(name, refresh);
        }
    };
    const output = document.querySelector("[data-output]");
    if (output) follow(output);
    else listen();
    // A run that is in progress changes without an event.
    setInterval(() => {
        if (!document.hidden && (document.querySelector("[data-running]") || (asks && document.querySelector("[data-output]")))) refresh();
    }, 1000);
    setInterval(() => {
        if (!document.hidden) refresh();
    }, 15000);
})();

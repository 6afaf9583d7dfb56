// Keeps what is marked with data-live as it is on the server. Without this, the page shows what was so when it was loaded.
(() => {
    "use strict";
    let turn = false;
    let again = false;
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
                for (const old of document.querySelectorAll("[data-live]")) {
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
    const events = new EventSource("/api/v1/events");
    for (const name of [
        "scheduler_started", "scheduler_paused", "scheduler_resumed", "scheduler_shut_down",
        "job_added", "job_modified", "job_paused", "job_disabled", "job_resumed", "job_removed", "all_jobs_removed",
        "run_started", "run_postponed", "run_left_behind", "work_ended", "run_finished", "run_missed",
        "store_failed", "store_recovered", "clock_corrected", "lost",
    ]) {
        events.addEventListener(name, refresh);
    }
    // What a run prints is no event.
    setInterval(() => {
        if (!document.hidden && document.querySelector("[data-running]")) refresh();
    }, 1000);
    setInterval(() => {
        if (!document.hidden) refresh();
    }, 15000);
})();

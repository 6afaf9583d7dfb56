"""Lets the day happen: sets the clock, turns the machine off, and keeps what was recorded.

`time.sleep` waits by the monotonic clock, so that a step of the clock does not disturb it.
"""

import datetime
import json
import os
import subprocess
import time

HOME = "/var/lib/one-day"
STEP = 90 * 60


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def run(*command, into=None):
    with open(into or os.devnull, "a") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)


def record(kind):
    boot = open("/proc/sys/kernel/random/boot_id").read().strip()
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    with open(f"{HOME}/log", "a") as file:
        file.write(f"{kind}\tmachine\t-\t{boot}\t{time.time():.6f}\t{up:.2f}\t\n")


def wait_until(text):
    time.sleep(max(0, instant(text) - time.time()))


def step(seconds):
    record("before-step")
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
    record("after-step")


day = json.load(open("/opt/one-day/day.json"))
record("boot")
if not os.path.exists(f"{HOME}/first-boot-is-over"):
    wait_until(day["off"])
    open(f"{HOME}/first-boot-is-over", "w").close()
else:
    wait_until(day["forwards"])
    step(STEP)
    wait_until(day["backwards"])
    step(-STEP)
    wait_until(day["end"])
    run("cat", "/proc/interrupts", "/proc/softirqs", into=f"{HOME}/wakes")
    run("sh", "-c", "grep -s ^vol /proc/[0-9]*/task/*/status; for p in /proc/[0-9]*/comm; do echo $p $(cat $p); done", into=f"{HOME}/wakes")
    run("/opt/one-day/matins", "runs", "--json", "-n", "100000", "--store", f"sqlite:{HOME}/matins.db", into=f"{HOME}/matins-runs.json")
record("off")
run("journalctl", "--no-pager", "-o", "short-iso", into=f"{HOME}/journal")
run("systemctl", "poweroff")

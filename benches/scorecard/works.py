"""The same works by APScheduler 3. Prints one line of JSON: a number, or a list of milliseconds."""

import json
import logging
import resource
import sys
import time
from datetime import datetime, timedelta, timezone
from threading import Lock

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

logging.disable(logging.CRITICAL)


def scheduler():
    return BackgroundScheduler(
        timezone=timezone.utc,
        executors={"default": ThreadPoolExecutor(20)},
        job_defaults={"misfire_grace_time": None, "coalesce": False},
    )


def nothing():
    pass


def far(number):
    return datetime.now(timezone.utc) + timedelta(days=365, seconds=number % 100_000)


def add_far(target, count):
    for number in range(count):
        target.add_job(nothing, DateTrigger(far(number)), id=f"job-{number}")


def next_fire(expression, zone, calls):
    trigger = CronTrigger.from_crontab(expression, timezone=zone)
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    instants = [start + timedelta(seconds=step * 123_457) for step in range(256)]
    begun = time.perf_counter()
    for turn in range(int(calls)):
        trigger.get_next_fire_time(None, instants[turn % 256])
    return (time.perf_counter() - begun) / int(calls) * 1e9


def add(count):
    target = scheduler()
    target.start(paused=True)
    begun = time.perf_counter()
    add_far(target, int(count))
    taken = time.perf_counter() - begun
    target.shutdown(wait=False)
    return taken / int(count) * 1e6


def wait_for(late, expected):
    give_up = time.monotonic() + 60
    while len(late) < expected and time.monotonic() < give_up:
        time.sleep(0.02)
    time.sleep(0.1)
    return late[:expected]


def burst(count):
    late, lock = [], Lock()
    due = datetime.now(timezone.utc) + timedelta(seconds=3)
    moment = due.timestamp()

    def note():
        behind = (time.time() - moment) * 1e3
        with lock:
            late.append(behind)

    target = scheduler()
    for _ in range(int(count)):
        target.add_job(note, DateTrigger(due))
    target.start()
    wait_for(late, int(count))
    target.shutdown(wait=False)
    return late


def spread_out(a_second, seconds):
    a_second, seconds = int(a_second), int(seconds)
    late, lock = [], Lock()
    start = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=3)

    def note(moment):
        now = time.time()
        behind = (now - moment) % 1.0 * 1e3
        with lock:
            late.append(behind)

    target = scheduler()
    for number in range(a_second):
        first = start + timedelta(microseconds=number * 1_000_000 // a_second)
        target.add_job(note, IntervalTrigger(seconds=1, start_date=first), args=[first.timestamp() % 1.0])
    target.start()
    wait_for(late, a_second * seconds)
    target.shutdown(wait=False)
    return late[: a_second * seconds]


def idle(count, seconds):
    target = scheduler()
    target.start()
    add_far(target, int(count))
    time.sleep(1)
    before = resource.getrusage(resource.RUSAGE_SELF)
    time.sleep(float(seconds))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [cpu * 1e3, after.ru_nvcsw - before.ru_nvcsw]


def bytes_a_job(count):
    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    target = scheduler()
    target.start(paused=True)
    before = resident()
    add_far(target, int(count))
    return (resident() - before) / int(count)


WORKS = {
    "next-fire": next_fire,
    "add": add,
    "burst": burst,
    "spread-out": spread_out,
    "idle": idle,
    "bytes": bytes_a_job,
}

print(json.dumps(WORKS[sys.argv[1]](*sys.argv[2:])))

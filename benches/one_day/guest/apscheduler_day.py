"""The ten jobs under APScheduler 3, with a job store that outlives the process."""

import os
import subprocess
import time

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, EVENT_JOB_SUBMITTED
from apscheduler.schedulers.blocking import BlockingScheduler

JOB = "/opt/one-day/job"
ADDED = "/var/lib/one-day/apscheduler-added"


def work(job):
    subprocess.run([JOB, "apscheduler", job], check=True)


def record(kind, job, due):
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot = file.read().strip()
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    row = [kind, "apscheduler", job, boot, f"{time.time():.6f}", f"{up:.2f}", due]
    with open("/var/lib/one-day/log", "a") as file:
        file.write("\t".join(row) + "\n")


def missed(event):
    record("too-late", event.job_id, event.scheduled_run_time.isoformat())


def submitted(event):
    for due in event.scheduled_run_times:
        record("submitted", event.job_id, due.isoformat())


def overlapped(event):
    for due in event.scheduled_run_times:
        record("still-running", event.job_id, due.isoformat())


scheduler = BlockingScheduler(
    timezone="Europe/Berlin",
    jobstores={"default": {"type": "sqlalchemy", "url": "sqlite:////var/lib/one-day/apscheduler.db"}},
    executors={"default": {"type": "threadpool", "max_workers": 20}},
    # By default a run is missed when it is later than one second.
    job_defaults={"misfire_grace_time": None, "coalesce": True},
)
scheduler.add_listener(missed, EVENT_JOB_MISSED)
scheduler.add_listener(submitted, EVENT_JOB_SUBMITTED)
scheduler.add_listener(overlapped, EVENT_JOB_MAX_INSTANCES)

JOBS = {
    "quarter": ("cron", {"minute": "*/15"}),
    "interval": ("interval", {"minutes": 90}),
    "at-02-30": ("cron", {"hour": 2, "minute": 30}),
    "at-03-00": ("cron", {"hour": 3, "minute": 0}),
    "half-hour": ("cron", {"minute": 30}),
    "weekday": ("cron", {"day_of_week": "mon-fri", "hour": 9, "minute": 0}),
    "month-end": ("cron", {"day": "last", "hour": 7, "minute": 0}),
    "one-off": ("date", {"run_date": "@DATE@ 04:30:00"}),
    "long": ("cron", {"minute": 5}),
    "failing": ("cron", {"hour": "3,4,7,8", "minute": 20}),
}

# `replace_existing` would compute new fire times from now at each start, and lose those that are overdue. So the jobs are
# added at the first start only.
if not os.path.exists(ADDED):
    for job, (trigger, fields) in JOBS.items():
        scheduler.add_job(work, trigger, args=[job], id=job, **fields)
    open(ADDED, "w").close()
scheduler.start()

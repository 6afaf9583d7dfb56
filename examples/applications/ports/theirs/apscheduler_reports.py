# Reports from a store that survives a restart, and a job that fails: APScheduler 3.
# ANCHOR: program
import sys
import time

from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler


def report(name):
    print(f"the report of {name}", flush=True)


def sync():
    raise ConnectionError("the server is away")


def complain(event):
    print(f"{event.job_id} failed: {event.exception}", flush=True)


def main(path):
    scheduler = BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{path}")},
        executors={"default": ThreadPoolExecutor(4)},
        job_defaults={"misfire_grace_time": 3600},
        timezone="Europe/Berlin",
    )
    scheduler.add_listener(complain, EVENT_JOB_ERROR)
    scheduler.add_job(
        report, "interval", seconds=1, args=["ada"], id="often",
        replace_existing=True,
    )
    scheduler.add_job(
        report, "cron", hour=9, day_of_week="mon-fri", args=["bob"],
        id="mornings", replace_existing=True,
    )
    scheduler.add_job(
        sync, "interval", seconds=1, id="sync", replace_existing=True,
        max_instances=2,
    )
    scheduler.start()
    time.sleep(2.5)
    for job in scheduler.get_jobs():
        print(f"{job.id}: {job.trigger}")
    scheduler.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
# ANCHOR_END: program

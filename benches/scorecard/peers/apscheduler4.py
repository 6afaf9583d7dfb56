"""APScheduler 4 with PostgreSQL. Prints one number: how many jobs it ran in the time that is measured.

Arguments: the port of the server on 127.0.0.1, `prepare` or `run`, the number of jobs, seconds before the measurement, and seconds of it.
Prepared jobs are due every second, or in a year if the number is negative.
"""

import asyncio
import logging
import os
import sys
from datetime import datetime, timedelta, timezone

from apscheduler import AsyncScheduler
from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore
from apscheduler.eventbrokers.asyncpg import AsyncpgEventBroker
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy.ext.asyncio import create_async_engine

logging.basicConfig(level="WARNING")
runs = 0


async def count():
    global runs
    runs += 1


async def main(port, work, jobs, before=0, seconds=0):
    engine = create_async_engine(f"postgresql+asyncpg://matins@127.0.0.1:{port}/apscheduler")
    broker = AsyncpgEventBroker.from_async_sqla_engine(engine)
    async with AsyncScheduler(SQLAlchemyDataStore(engine), broker) as scheduler:
        if work == "prepare":
            start = datetime.now(timezone.utc) + timedelta(days=365 if int(jobs) < 0 else 0)
            for number in range(abs(int(jobs))):
                trigger = IntervalTrigger(seconds=1, start_time=start)
                await scheduler.add_schedule(count, trigger, id=f"job-{number}", misfire_grace_time=None)
            print(0, flush=True)
            return
        await scheduler.start_in_background()
        await asyncio.sleep(float(before))
        begun = runs
        await asyncio.sleep(float(seconds))
        print(runs - begun, flush=True)
        # It takes long to stop, and nothing is measured any more.
        os._exit(0)


asyncio.run(main(*sys.argv[1:]))

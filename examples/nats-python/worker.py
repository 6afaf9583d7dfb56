"""A worker for Matins in Python, by executors/nats/protocol/README.md. It needs `pip install nats-py`.
Start it as: python3 worker.py nats://127.0.0.1 NAMESPACE"""
import asyncio, json, secrets, sys, time
from datetime import datetime, timezone
import nats
from nats.js.errors import APIError

POOL, AT_ONCE, NAME = "default", 4, secrets.token_hex(12)

async def double(arguments, log):
    await log(f"doubling {arguments}")
    return arguments * 2
async def sleep(arguments, log):
    await log("sleeping")
    await asyncio.sleep(arguments)
TASKS, RUNS = {"double": double, "sleep": sleep}, {}
def payload(**frame):
    return json.dumps({"version": 1, **frame}).encode()
def ended(outcome, **more):
    return payload(outcome=outcome, finished=datetime.now(timezone.utc).isoformat(), **more)

async def store_first(js, subject, frame):
    try:
        await js.publish(subject, frame, headers={"Nats-Expected-Last-Subject-Sequence": "0"})
        return True
    except APIError as error:
        if error.err_code != 10071:
            raise
        return False

async def beat(nc, base):
    while True:
        await nc.publish(f"{base}.alive.{POOL}.{NAME}", payload(runs=list(RUNS)))
        await asyncio.sleep(min([30_000, *(wait for wait, _ in RUNS.values())]) / 3_000 if RUNS else 1)

async def take(nc, js, base, streams, task):
    consumer, stream, places = f"{POOL}={task}", f"{streams}_runs", asyncio.Semaphore(AT_ONCE)
    runs = await js.pull_subscribe_bind(consumer, stream)
    while True:
        await places.acquire()
        try:
            await js.consumer_info(stream, consumer)  # The scheduler creates it.
            [message] = await runs.fetch(1, timeout=5)
            handled = asyncio.create_task(handle(nc, js, base, streams, task, message))
            handled.add_done_callback(lambda _: places.release())
        except (APIError, nats.errors.Error):
            places.release()
            await asyncio.sleep(0.2)

async def handle(nc, js, base, streams, task, message):
    frame, about = json.loads(message.data), message.metadata
    sequence, delivered = about.sequence.stream, about.num_delivered
    place = f"{POOL}.{task}.{frame['id']}"
    claim, result = f"$KV.{streams}_claims.{place}", f"{base}.result.{place}"
    if await store_first(js, claim, payload(worker=NAME, sequence=sequence, delivered=delivered)):
        await store_first(js, result, await work(nc, f"{base}.note.{place}", task, frame, message))
    else:
        found = json.loads((await nc.request(f"$JS.API.DIRECT.GET.KV_{streams}_claims.{claim}", timeout=5)).data)
        is_mine, is_this = found.get("worker") == NAME, found.get("sequence") == sequence
        if frame["id"] in RUNS if is_mine else is_this and found.get("worker") and delivered <= found.get("delivered", 1):
            return  # Whoever has it, this worker or one that was given it later, acknowledges it.
        if is_this:
            await store_first(js, result, ended("interrupted", message="its worker is lost"))
    await message.ack_sync()

async def work(nc, notes, task, frame, message):
    lines, wait, begun = [], frame["ack_wait_ms"] / 1_000, time.monotonic()
    heard, why = begun, "cancelled"
    async def log(line):
        lines.append(line)
        await nc.publish(notes, payload(line=line))
    done = asyncio.create_task(TASKS[task](frame["arguments"], log))
    RUNS[frame["id"]] = (frame["ack_wait_ms"], done)
    await nc.publish(notes, payload(started=NAME))
    until = begun + frame.get("time_limit_us", 1e15) / 1e6
    while not (await asyncio.wait([done], timeout=min(wait / 3, max(0, until - time.monotonic()))))[0]:
        if time.monotonic() >= until:
            why = "timed out" if done.cancel() else why
        try:
            await nc.request(message.reply, b"+WPI", timeout=wait / 5)
            heard = time.monotonic()
        except nats.errors.Error:
            if time.monotonic() - heard > wait * 0.8:
                why = "interrupted" if done.cancel() else why
    del RUNS[frame["id"]]
    more = {"output": "\n".join(lines), "took_us": int((time.monotonic() - begun) * 1e6)}
    if done.cancelled():
        return ended(why, **more)
    error = done.exception()
    return ended("failed", message=str(error), **more) if error else ended("succeeded", result=done.result(), **more)

async def main(url, namespace):
    nc = await nats.connect(url, max_reconnect_attempts=-1)
    base, streams = f"matins.{namespace}", f"matins_{namespace}"
    async def cancel(message):
        RUNS.get(json.loads(message.data)["id"], (0, asyncio.Future()))[1].cancel()
    await nc.subscribe(f"{base}.cancel.{POOL}.{NAME}", cb=cancel)
    await asyncio.gather(beat(nc, base), *(take(nc, nc.jetstream(), base, streams, task) for task in TASKS))

asyncio.run(main(*sys.argv[1:]))

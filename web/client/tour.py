"""The tour of the API, with a client that was generated from its description.

    python tour.py http://127.0.0.1:8080

tests/api_client.rs generates the client, and runs this against a daemon.
"""

import sys
import time

from matins_client import Client
from matins_client.api.jobs import (
    add_job,
    edit_job,
    explain_job,
    get_job,
    list_fires,
    list_jobs,
    pause_job,
    remove_job,
    resume_job,
    run_job,
)
from matins_client.api.runs import get_run, list_runs
from matins_client.api.scheduler import get_status, list_history
from matins_client.models import JobSpec, NewJob, Problem

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)

assert get_status.sync(client=client).state == "running"

# Adds a job.
new = NewJob(id="hello", every="5m", shell="echo hello", tags=["tour"])
job = add_job.sync(client=client, body=new)
assert (job.id, job.description, job.paused) == ("hello", "every 5 minutes", False), job
assert job.next_fire is not None

# Adding it again is a problem, with the words of the command.
again = add_job.sync_detailed(client=client, body=new)
assert again.status_code == 409, again
assert isinstance(again.parsed, Problem) and "hello" in again.parsed.detail, again.parsed

# Lists jobs.
listed = list_jobs.sync(client=client, tag="tour")
assert [job.id for job in listed.items] == ["hello"], listed
assert len(list_fires.sync("hello", client=client, count=3).fires) == 3

# Runs it now, and reads its output.
run = run_job.sync("hello", client=client)
deadline = time.monotonic() + 60
while run.outcome is None:
    assert time.monotonic() < deadline, run
    time.sleep(0.05)
    run = get_run.sync(run.id, client=client)
assert (run.outcome, run.output, run.manual) == ("succeeded", "hello\n", True), run
assert [found.id for found in list_runs.sync(client=client, job="hello").items] == [run.id]

# Asks why.
why = explain_job.sync("hello", client=client, at="2099-01-01T00:00:30Z")
assert why.sentences, why

# Changes, pauses and resumes it.
changed = edit_job.sync("hello", client=client, body=JobSpec(every="10m"))
assert changed.description == "every 10 minutes", changed
assert pause_job.sync("hello", client=client).paused
assert get_job.sync("hello", client=client).next_fire is None
assert not resume_job.sync("hello", client=client).paused

# Removes it.
assert remove_job.sync_detailed("hello", client=client).status_code == 204
assert get_job.sync_detailed("hello", client=client).status_code == 404
what = [entry["what"] for entry in list_history.sync(client=client, job="hello")]
assert what[0] == "removed" and "run_now" in what and what[-1] == "added", what
print("the tour is over")

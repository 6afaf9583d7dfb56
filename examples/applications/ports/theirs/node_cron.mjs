// Async jobs that must not overlap, one of which is stopped and started again: node-cron 4.
// ANCHOR: program
import { setTimeout as sleep } from "node:timers/promises";
import cron from "node-cron";

let polls = 0;
const poll = cron.schedule(
  "* * * * * *",
  async () => {
    polls += 1;
    console.log(`poll ${polls}`);
    await sleep(100);
  },
  { name: "poll", timezone: "Europe/Berlin", noOverlap: true },
);
poll.on("execution:failed", (context) =>
  console.log(`poll failed: ${context.execution.error}`),
);

const goodMorning = () => console.log("good morning");
const morning = cron.schedule("0 9 * * 1-5", goodMorning, {
  name: "morning",
  timezone: "Europe/Berlin",
});
console.log(`next morning: ${morning.getNextRun()}`);

await sleep(1500);
poll.stop();
await sleep(1000);
poll.start();
await sleep(1500);
await poll.destroy();
await morning.destroy();
console.log(`${polls} polls`);
// ANCHOR_END: program

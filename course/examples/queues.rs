//! What the queues cost: `cargo run --release --example queues`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::queue::{Heap, Queue, Scan, Tree, Wheel};

/// Each figure comes from about this much time.
const ENOUGH: Duration = Duration::from_millis(300);

/// Numbers that look random, and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

// ANCHOR: fire
/// Takes the first job out and puts it back, due up to `span` seconds later.
fn fire(queue: &mut dyn Queue, _: u64, span: u64, numbers: &mut Numbers) {
    let next = queue.next().expect("the queue is never empty");
    let (time, job) = queue.pop_due(next).expect("it is due");
    let later = 1 + numbers.below(span) as i64;
    queue.insert(job, time + TimeDelta::seconds(later));
}
// ANCHOR_END: fire

// ANCHOR: change
/// Removes any job and puts it back, due within `span` seconds.
fn change(queue: &mut dyn Queue, jobs: u64, span: u64, numbers: &mut Numbers) {
    let job = numbers.below(jobs);
    black_box(queue.remove(job));
    queue.insert(job, within(span, numbers));
}
// ANCHOR_END: change

fn within(span: u64, numbers: &mut Numbers) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-12-24T18:00:00Z".parse().expect("a time");
    start + TimeDelta::seconds(numbers.below(span) as i64)
}

type Step = fn(&mut dyn Queue, u64, u64, &mut Numbers);

/// Returns how many nanoseconds one step takes: the median of five tries.
fn measure(queue: &mut dyn Queue, jobs: u64, span: u64, step: Step) -> f64 {
    let mut numbers = Numbers(88_172_645_463_325_252);
    for job in 0..jobs {
        queue.insert(job, within(span, &mut numbers));
    }
    let mut tries = [0.0; 5].map(|_: f64| {
        let (begun, mut steps) = (Instant::now(), 0_u32);
        while begun.elapsed() < ENOUGH / 5 {
            for _ in 0..10 {
                step(queue, jobs, span, &mut numbers);
            }
            steps += 10;
        }
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(steps)
    });
    tries.sort_by(f64::total_cmp);
    tries[2]
}

fn main() {
    println!("nanoseconds for a fire / for a change");
    let [scan, heap, tree, wheel] = ["scan", "heap", "tree", "wheel"];
    println!("  jobs   within{scan:>16}{heap:>16}{tree:>16}{wheel:>16}");
    let (day, minutes) = (86_400, 500);
    for (jobs, span) in
        [(10, day), (1000, day), (100_000, day), (100_000, minutes)]
    {
        print!("{jobs:>6} {span:>6} s");
        for make in [
            || Box::<Scan>::default() as Box<dyn Queue>,
            || Box::<Heap>::default() as Box<dyn Queue>,
            || Box::<Tree>::default() as Box<dyn Queue>,
            || Box::<Wheel>::default() as Box<dyn Queue>,
        ] {
            let fire = measure(&mut *make(), jobs, span, fire);
            let change = measure(&mut *make(), jobs, span, change);
            let both = format!("{fire:.0} / {change:.0}");
            print!("{both:>16}");
        }
        println!();
    }
}

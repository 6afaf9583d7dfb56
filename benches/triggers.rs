//! The next and the previous fire of a cron trigger, a walk of a million, and reading an expression: beside the crates `saffron`, `cron` and
//! `croner` in the same run, and beside the zone lookups that are the limit.
//!
//! `cargo bench -p matins-benches --bench triggers`

use std::hint::black_box;
use std::str::FromStr;

use chrono::TimeZone;
use chrono_tz::Europe::Berlin;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use matins::Trigger;
use matins::triggers::{CronExpression, Zone};
use matins_benches::triggers::{self, EXPRESSIONS, FAR, instants};

fn next_fire(criterion: &mut Criterion) {
    let instants = instants();
    let mut group = criterion.benchmark_group("next_fire_utc");
    group.throughput(Throughput::Elements(1));
    for text in EXPRESSIONS.iter().chain(&FAR) {
        let mut turn = instants.iter().cycle();
        let ours = triggers::matins(text, "UTC");
        group.bench_function(BenchmarkId::new("matins", text), |bencher| {
            bencher.iter(|| ours.next_after(*turn.next().unwrap()));
        });
    }
    for text in EXPRESSIONS {
        let mut turn = instants.iter().cycle();
        let saffron = triggers::saffron(text);
        group.bench_function(BenchmarkId::new("saffron", text), |bencher| {
            bencher.iter(|| saffron.next_after(*turn.next().unwrap()));
        });
        let cron = triggers::cron(text);
        group.bench_function(BenchmarkId::new("cron", text), |bencher| {
            bencher.iter(|| cron.after(turn.next().unwrap()).next());
        });
        let croner = triggers::croner(text);
        group.bench_function(BenchmarkId::new("croner", text), |bencher| {
            bencher.iter(|| croner.find_next_occurrence(turn.next().unwrap(), false).ok());
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("next_fire_berlin");
    group.throughput(Throughput::Elements(1));
    for text in EXPRESSIONS {
        let mut turn = instants.iter().cycle();
        let ours = triggers::matins(text, "Europe/Berlin");
        group.bench_function(BenchmarkId::new("matins", text), |bencher| {
            bencher.iter(|| ours.next_after(*turn.next().unwrap()));
        });
        let local: Vec<_> = instants.iter().map(|instant| instant.with_timezone(&Berlin)).collect();
        let mut turn = local.iter().cycle();
        let cron = triggers::cron(text);
        group.bench_function(BenchmarkId::new("cron", text), |bencher| {
            bencher.iter(|| cron.after(turn.next().unwrap()).next());
        });
        let croner = triggers::croner(text);
        group.bench_function(BenchmarkId::new("croner", text), |bencher| {
            bencher.iter(|| croner.find_next_occurrence(turn.next().unwrap(), false).ok());
        });
    }
    let mut turn = instants.iter().cycle();
    group.bench_function("limit: chrono-tz, UTC to local", |bencher| {
        bencher.iter(|| turn.next().unwrap().with_timezone(&Berlin));
    });
    let mut turn = instants.iter().cycle();
    group.bench_function("limit: chrono-tz, local to UTC", |bencher| {
        bencher.iter(|| Berlin.from_local_datetime(&turn.next().unwrap().naive_utc()));
    });
    group.finish();
}

/// The fire before an instant; `croner` is the only peer that looks back.
fn previous_fire(criterion: &mut Criterion) {
    let instants = instants();
    for (name, zone) in [("previous_fire_utc", chrono_tz::UTC), ("previous_fire_berlin", Berlin)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        for text in EXPRESSIONS.iter().chain(&FAR) {
            let mut turn = instants.iter().cycle();
            let ours = triggers::matins(text, zone.name());
            group.bench_function(BenchmarkId::new("matins", text), |bencher| {
                bencher.iter(|| ours.previous_before(*turn.next().unwrap()));
            });
        }
        let local: Vec<_> = instants.iter().map(|instant| instant.with_timezone(&zone)).collect();
        for text in EXPRESSIONS {
            let mut turn = local.iter().cycle();
            let croner = triggers::croner(text);
            group.bench_function(BenchmarkId::new("croner", text), |bencher| {
                bencher.iter(|| croner.find_previous_occurrence(turn.next().unwrap(), false).ok());
            });
        }
        group.finish();
    }
}

/// Per fire of a walk of a million.
fn walk(criterion: &mut Criterion) {
    const FIRES: u64 = 1_000_000;
    let start = triggers::start();
    let mut group = criterion.benchmark_group("walk_of_a_million");
    group.sample_size(10).throughput(Throughput::Elements(FIRES));
    for zone in [chrono_tz::UTC, Berlin] {
        let ours = triggers::matins("*/5 * * * *", zone.name());
        group.bench_function(BenchmarkId::new("matins", zone.name()), |bencher| {
            bencher.iter(|| ours.fires_after(start).take(FIRES as usize).last());
        });
        group.bench_function(BenchmarkId::new("matins, asked from fire to fire", zone.name()), |bencher| {
            bencher.iter(|| (0..FIRES).try_fold(start, |after, _| ours.next_after(after)));
        });
        let cron = triggers::cron("*/5 * * * *");
        group.bench_function(BenchmarkId::new("cron", zone.name()), |bencher| {
            bencher.iter(|| cron.after(&start.with_timezone(&zone)).take(FIRES as usize).last());
        });
    }
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    for text in EXPRESSIONS.iter().chain(&FAR) {
        group.bench_function(BenchmarkId::new("matins", text), |bencher| {
            bencher.iter(|| CronExpression::parse(black_box(text)));
        });
    }
    for text in EXPRESSIONS {
        group.bench_function(BenchmarkId::new("saffron", text), |bencher| {
            bencher.iter(|| triggers::saffron(black_box(text)));
        });
        let with_seconds = format!("0 {text}");
        group.bench_function(BenchmarkId::new("cron", text), |bencher| {
            bencher.iter(|| cron::Schedule::from_str(black_box(&with_seconds)));
        });
        group.bench_function(BenchmarkId::new("croner", text), |bencher| {
            bencher.iter(|| triggers::croner(black_box(text)));
        });
    }
    group.finish();

    // What cannot be read costs no more than its length: the time per byte stays.
    let mut group = criterion.benchmark_group("refuse");
    for length in [100, 1_000, 10_000, 100_000] {
        group.throughput(Throughput::Bytes(length as u64));
        for (kind, text) in [
            ("one word", "x".repeat(length)),
            ("one list", format!("{} * * * MOM", "1,".repeat(length / 2))),
            ("one name", format!("* * * * {}", "é".repeat(length / 2))),
            ("many words", "* ".repeat(length / 2)),
            ("one field by name", format!("hour={}", "9-".repeat(length / 2))),
        ] {
            group.bench_with_input(BenchmarkId::new(kind, length), &text, |bencher, text| {
                bencher.iter(|| CronExpression::parse(black_box(text)).expect_err("no expression"));
            });
        }
    }
    group.finish();
}

fn zones(criterion: &mut Criterion) {
    criterion
        .bench_function("zone_by_name", |bencher| bencher.iter(|| Zone::named(black_box("Europe/Berlin"))));
}

criterion_group!(benches, next_fire, previous_fire, walk, parse, zones);
criterion_main!(benches);

//! What statistics cost an exchange, and how long a window takes to tell after ten million counted entries.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dex::domain::event::{Authority, Closed, Direction, Opened};
use dex::domain::pii::Dropped;
use dex::domain::statistics::{Statistics, Window};
use dex::domain::{Address, Cause, Digest, Entry, Event, Id, MessageId, Timestamp};
use uuid::Uuid;

/// HATs that take part.
const HATS: usize = 100_000;
/// Entries that are counted before windows are asked for.
const ENTRIES: u64 = 10_000_000;
/// Times that each window is asked for.
const ASKED: usize = 2_000;
const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_767_600_000 * SECOND;

/// Entries of credits and releases, opened and settled in turn.
struct Source {
    hats: Vec<Address>,
    opened: [Entry; 2],
    settled: Entry,
    number: u64,
    at: i64,
    /// From one entry to the next, nanoseconds.
    step: i64,
}

impl Source {
    fn new(step: i64) -> Self {
        let address = |text: &str| text.parse::<Address>().expect("an address");
        let hats: Vec<Address> = (0..HATS).map(|i| address(&format!("hat:person-{i}.hubat.net"))).collect();
        let id = MessageId(Uuid::from_u128(7));
        let opened = |direction: Direction, endpoint: &str| Opened {
            exchange: id,
            from: address("plug:fitbit"),
            parent: None,
            direction,
            authority: Authority::Plug(Id::new("fitbit").expect("an id")),
            to: address("org:acme"),
            delivery: id.0,
            pull: None,
            since: None,
            skip: None,
            limit: None,
            deadline: Timestamp(1),
            digest_in: Digest::of(b""),
            digest_out: Digest::of(b""),
            count_in: 2,
            count_out: 2,
            bytes_in: 512,
            bytes_out: 512,
            endpoints: vec![(endpoint.into(), 2)],
            large: None,
            job: None,
            dropped: Dropped::default(),
            without_pii: false,
        };
        let closed = Closed {
            exchange: id,
            from: address("plug:fitbit"),
            to: address("org:acme"),
            delivery: id.0,
            direction: Direction::Credit,
            digest_in: Digest::of(b""),
            digest_out: Digest::of(b""),
            count: 2,
            bytes: 512,
            opened_at: Timestamp(0),
            without_pii: false,
        };
        let cause = Cause {
            subject: "dex.v1.in.hat.bob_hubat_net.credit.fitbit".into(),
            id,
            from: address("plug:fitbit"),
            key: None,
            signature: None,
            deadline: None,
            reply: None,
            want: None,
            pull: None,
            job: None,
            body: Digest::of(b""),
        };
        let entry = |event| Entry {
            v: 1,
            entity: hats[0].clone(),
            n: 1,
            at: Timestamp(START),
            cause: Some(cause.clone()),
            basis: Vec::new(),
            event,
        };
        Source {
            opened: [
                entry(Event::Opened(Box::new(opened(Direction::Credit, "fitbit/activity/day/summary")))),
                entry(Event::Opened(Box::new(opened(Direction::Release, "facebook/feed")))),
            ],
            settled: entry(Event::Settled(Box::new(closed))),
            hats,
            number: 0,
            at: START,
            step,
        }
    }

    /// Folds the next entry in.
    fn fold(&mut self, into: &mut Statistics) {
        let number = self.number;
        self.number += 1;
        self.at += self.step;
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hat = &self.hats[(spread >> 40) as usize % HATS];
        let entry =
            if number.is_multiple_of(2) { &mut self.opened[(spread >> 20 & 1) as usize] } else { &mut self.settled };
        entry.entity = hat.clone();
        entry.at = Timestamp(self.at);
        if let Event::Settled(closed) = &mut entry.event {
            closed.opened_at = Timestamp(self.at - i64::try_from(spread >> 36).expect("28 bits"));
        }
        into.apply(number, Timestamp(self.at + 700_000), entry);
    }
}

fn fold(c: &mut Criterion) {
    let mut group = c.benchmark_group("statistics");
    group.throughput(Throughput::Elements(1));
    // 4,000 entries a second, as in an exchange under load.
    let (mut source, mut statistics) = (Source::new(250_000), Statistics::new(5));
    group.bench_function("one entry", |b| b.iter(|| source.fold(&mut statistics)));
    group.finish();
}

fn windows(c: &mut Criterion) {
    let step = 30 * 86_400 * SECOND / i64::try_from(ENTRIES).expect("small");
    let (mut source, mut statistics) = (Source::new(step), Statistics::new(5));
    let began = Instant::now();
    (0..ENTRIES - 2_000_000).for_each(|_| source.fold(&mut statistics));
    // The last hour is a busy one.
    source.step = 3_600 * SECOND / 2_000_000;
    (0..2_000_000).for_each(|_| source.fold(&mut statistics));
    println!("{ENTRIES} entries counted in {:.1} s", began.elapsed().as_secs_f64());
    let at = Timestamp(source.at);
    for window in Window::ALL {
        let mut took: Vec<Duration> = Vec::with_capacity(ASKED);
        for _ in 0..ASKED {
            let asked = Instant::now();
            black_box(statistics.window(black_box(window), at));
            took.push(asked.elapsed());
        }
        took.sort_unstable();
        println!("window {window}: p50 {:?}, p99 {:?}", took[ASKED / 2], took[ASKED * 99 / 100]);
    }
    let mut group = c.benchmark_group("statistics after 10^7 entries");
    for window in Window::ALL {
        group.bench_function(format!("window {window}, every slot merged"), |b| {
            b.iter(|| statistics.window(window, at))
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = fold, windows
}
criterion_main!(benches);

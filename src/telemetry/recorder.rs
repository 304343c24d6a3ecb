//! The Prometheus recorder of the process: buckets, descriptions, everything touched at zero.

use std::sync::OnceLock;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::events::{
    ActorExit, BridgeFault, Carried, DebitTold, EffectFailed, EntityQuarantined, Healed, JobEnded, LargeBytes,
    LargeMoved, Onboarded, PublishingStalled, Pulled, RecordsCredited, RecordsPosted, RoundAnew, SourceFault,
    StreamMadeAgain, StreamRolledBack, TokenRefreshed,
};
use super::names::{self, Shape};
use super::path::Published;
use super::{ExchangeCounters, path};

/// Buckets of durations, seconds.
pub(super) const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 3600.0,
];
/// Buckets of sizes of batches and groups.
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0];

/// The process's recorder, installed at the first call. When another one is installed already (a host
/// process of its own), metrics go there and the handle renders nothing.
pub fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
                .and_then(|b| b.set_buckets_for_metric(Matcher::Suffix("_messages".into()), SIZES))
                .and_then(|b| b.set_buckets_for_metric(Matcher::Suffix("_entries".into()), SIZES))
                .expect("the buckets are not empty")
                .build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another metrics recorder is installed in this process");
            }
            describe();
            touch();
            handle
        })
        .clone()
}

/// Moves what histograms have gathered into their buckets, which the exporter leaves to its caller: without
/// it they grow between scrapes. Call it every few seconds.
pub fn upkeep() {
    recorder().run_upkeep();
}

fn describe() {
    for metric in names::ALL {
        match metric.shape {
            Shape::Counter => describe_counter!(metric.name, metric.help),
            Shape::Gauge => describe_gauge!(metric.name, metric.help),
            Shape::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}

/// The series of the bridge and of workers.
fn touch_outsiders() {
    let sets: [(&'static str, &'static str, &[&'static str]); 11] = [
        (names::BRIDGE_FAULTS_TOTAL, "kind", &BridgeFault::KINDS),
        (names::ONBOARDINGS_TOTAL, "result", &Onboarded::RESULTS),
        (names::BRIDGE_CREDITS_TOTAL, "result", &Carried::RESULTS),
        (names::BRIDGE_RECORDS_TOTAL, "fate", &RecordsPosted::FATES),
        (names::BRIDGE_PULLS_TOTAL, "result", &Pulled::RESULTS),
        (names::BRIDGE_DEBITS_TOTAL, "what", &DebitTold::WHAT),
        (names::WORKER_JOBS_TOTAL, "result", &JobEnded::RESULTS),
        (names::WORKER_FAULTS_TOTAL, "error", &SourceFault::WORDS),
        (names::WORKER_ROUNDS_ANEW_TOTAL, "error", &RoundAnew::WORDS),
        (names::WORKER_RECORDS_TOTAL, "fate", &RecordsCredited::FATES),
        (names::WORKER_TOKENS_TOTAL, "result", &TokenRefreshed::RESULTS),
    ];
    for (name, label, values) in sets {
        for value in values {
            counter!(name, label => *value).increment(0);
        }
    }
}

/// Makes every series of a closed set appear at zero: what was never touched is not rendered, and a
/// rate over a series that begins at 1 misses its first event.
fn touch() {
    for metric in names::ALL.iter().filter(|metric| metric.label.is_none()) {
        match metric.shape {
            Shape::Counter => counter!(metric.name).increment(0),
            Shape::Gauge => gauge!(metric.name).set(0.0),
            Shape::Histogram => drop(histogram!(metric.name)),
        }
    }
    drop(ExchangeCounters::new());
    touch_outsiders();
    let _ = path();
    super::rest::touch();
    super::windows::touch();
    for what in Published::ALL {
        counter!(names::PUBLISHED_TOTAL, "what" => what.as_str()).increment(0);
    }
    for what in EffectFailed::WHAT {
        counter!(names::EFFECTS_FAILED_TOTAL, "what" => what).increment(0);
    }
    for why in PublishingStalled::WHY {
        counter!(names::PUBLISHING_STALLS_TOTAL, "why" => why).increment(0);
    }
    for why in StreamRolledBack::WHY {
        counter!(names::STREAM_ROLLBACKS_TOTAL, "why" => why).increment(0);
        counter!(names::OUTPUT_LOSSES_TOTAL, "why" => why).increment(0);
    }
    for what in Healed::WHAT {
        counter!(names::HEALED_TOTAL, "what" => what).increment(0);
    }
    for what in LargeMoved::WHAT {
        counter!(names::LARGE_MOVED_TOTAL, "what" => what).increment(0);
    }
    for direction in LargeBytes::DIRECTIONS {
        counter!(names::LARGE_BYTES_TOTAL, "direction" => direction).increment(0);
    }
    for stream in StreamMadeAgain::STREAMS {
        counter!(names::STREAMS_MADE_AGAIN_TOTAL, "stream" => stream).increment(0);
    }
    for why in ActorExit::WHY {
        counter!(names::ACTOR_EXITS_TOTAL, "why" => why).increment(0);
    }
    for kind in EntityQuarantined::KINDS {
        counter!(names::QUARANTINES_TOTAL, "kind" => kind.as_str()).increment(0);
    }
    gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::events::Passivated;
    use crate::telemetry::{DaemonGauges, Health, health_gauges, partition_gauges};

    /// One test, because the recorder is the process's: names, kinds, zeros, buckets.
    #[test]
    fn every_metric_is_described_and_there_before_anything_happens() {
        let handle = recorder();
        // These come with the partitions, whose number only the daemon knows.
        partition_gauges(0, 0, 0, 0, 0);
        let health = Health::default();
        health.set("nats", false, "gone");
        health_gauges(&health, std::time::Instant::now());
        let page = handle.render();
        for metric in names::ALL {
            let kind = match metric.shape {
                Shape::Counter => "counter",
                Shape::Gauge => "gauge",
                Shape::Histogram => "histogram",
            };
            assert!(page.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{} is not there", metric.name);
            assert!(page.contains(&format!("# HELP {} ", metric.name)), "{} is not described", metric.name);
            assert_eq!(metric.shape == Shape::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.name.starts_with("dex_") && metric.help.ends_with('.'), "{}", metric.name);
            if let Some(label) = metric.label {
                assert!(page.contains(&format!("{}{{{label}=\"", metric.name)), "{} has no label {label}", metric.name);
            }
            if metric.shape == Shape::Histogram {
                assert!(page.contains(&format!("{}_bucket{{le=\"", metric.name)), "{} has no buckets", metric.name);
            }
        }
        for series in [
            "dex_exchanges_total{status=\"settled\"} 0",
            "dex_rejections_total{reason=\"not-connected\"} 0",
            "dex_actor_exits_total{why=\"panicked\"} 0",
            "dex_quarantines_total{kind=\"hat\"} 0",
            "dex_effects_failed_total{what=\"notice\"} 0",
            "dex_worker_rounds_anew_total{error=\"not-found\"} 0",
            "dex_health_check{check=\"nats\"} 0",
            "dex_ready 0",
            "dex_live 1",
        ] {
            assert!(page.contains(series), "{series} is not there");
        }

        Passivated { kind: "hat" }.emit();
        DaemonGauges {
            tree_size: 41,
            spool_bytes: 0,
            tail: 0,
            quarantined: 0,
            connected: true,
            reconnects: 3,
            slow_consumers: 0,
        }
        .set();
        super::path().intake_batch.record(3.0);
        upkeep();
        let page = handle.render();
        for series in [
            "dex_actor_exits_total{why=\"passivated\"} 1",
            "dex_ledger_tree_size 41",
            "dex_nats_reconnects_total 3",
            "dex_intake_batch_messages_bucket{le=\"2\"} 0",
            "dex_intake_batch_messages_bucket{le=\"4\"} 1",
        ] {
            assert!(page.contains(series), "{series} is not in {page}");
        }
    }
}

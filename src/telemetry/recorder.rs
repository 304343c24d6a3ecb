//! The Prometheus recorder of the process: buckets, descriptions, everything touched at zero.

use std::sync::OnceLock;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::events::EffectFailed;
use super::names::{self, Shape};
use super::path::Published;
use super::{ExchangeCounters, path};

/// Buckets of durations, seconds.
const SECONDS: &[f64] = &[
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

fn describe() {
    for metric in names::ALL {
        match metric.shape {
            Shape::Counter => describe_counter!(metric.name, metric.help),
            Shape::Gauge => describe_gauge!(metric.name, metric.help),
            Shape::Histogram => describe_histogram!(metric.name, metric.help),
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
    let _ = path();
    for what in Published::ALL {
        counter!(names::PUBLISHED_TOTAL, "what" => what.as_str()).increment(0);
    }
    for what in EffectFailed::WHAT {
        counter!(names::EFFECTS_FAILED_TOTAL, "what" => what).increment(0);
    }
    gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

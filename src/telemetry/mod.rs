//! What operators see: metrics, logs, health. Names are constants, happenings are events.

pub mod events;
pub mod exchanges;
pub mod gauges;
pub mod health;
pub mod live;
pub mod logs;
pub mod names;
pub mod path;
pub mod process;
pub mod recorder;
pub mod rest;
pub mod windows;

pub use exchanges::ExchangeCounters;
pub use gauges::{
    DaemonGauges, WorkerGauges, disk_gauges, health_gauges, job_ended, job_gauges, large_gauges, partition_gauges,
    process_gauges, start_gauge,
};
pub use health::{Check, Health};
pub use live::live;
pub use logs::{LogError, LogFormat, init_logs, set_log_level};
pub use path::{Published, path};
pub use recorder::{recorder, upkeep};
pub use windows::{PlugGauge, PlugGauges, statistics_gauges, window_gauges};

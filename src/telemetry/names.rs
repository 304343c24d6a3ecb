//! Every metric's name, kind and meaning, in one table.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name, with unit and `_total` for counters.
    pub name: &'static str,
    /// Its kind.
    pub shape: Shape,
    /// What it tells.
    pub help: &'static str,
    /// The one label that it has, if any.
    pub label: Option<&'static str>,
}

macro_rules! metrics_table {
    ($($constant:ident = $name:literal, $shape:ident, $label:expr, $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*

        /// All metrics of the daemon.
        pub const ALL: &[Metric] = &[
            $(Metric { name: $name, shape: Shape::$shape, help: $help, label: $label },)*
        ];
    };
}

metrics_table! {
    EXCHANGES_TOTAL = "dex_exchanges_total", Counter, Some("status"), "Exchanges that reached a status, by status.";
    REJECTIONS_TOTAL = "dex_rejections_total", Counter, Some("reason"), "Refused messages of authenticated senders, by reason.";
    DISPUTES_TOTAL = "dex_disputes_total", Counter, Some("reason"), "Disputed exchanges, by reason.";
    REFUSED_UNAUTHENTICATED_TOTAL = "dex_refused_unauthenticated_total", Counter, Some("reason"), "Messages refused before their sender was authenticated, by reason.";
    REGISTRY_EVENTS_TOTAL = "dex_registry_events_total", Counter, None, "Entries about registrations, connections, debits and offers.";
    RECORDS_TOTAL = "dex_records_total", Counter, Some("direction"), "Records in opened exchanges, by direction seen from the HAT.";
    CONTENT_BYTES_TOTAL = "dex_content_bytes_total", Counter, Some("direction"), "Bytes of content in opened exchanges, by direction.";
    FIELDS_DROPPED_TOTAL = "dex_fields_dropped_total", Counter, Some("class"), "Fields that were left out of deliveries, by their class of personal data.";
    DEAD_LETTERS_TOTAL = "dex_dead_letters_total", Counter, None, "Messages that could not be worked on and were kept by their facts.";
    OPEN_EXCHANGES = "dex_open_exchanges", Gauge, Some("partition"), "Exchanges that have not ended.";
    RECENT_IDS = "dex_recent_ids", Gauge, Some("partition"), "Message ids held in memory until the next snapshot.";
    INTAKE_MESSAGES_TOTAL = "dex_intake_messages_total", Counter, None, "Messages taken from the input stream.";
    INTAKE_BATCH_SIZE = "dex_intake_batch_messages", Histogram, None, "Messages in one batch of a partition.";
    INTAKE_LAG_MESSAGES = "dex_intake_lag_messages", Gauge, Some("partition"), "Messages that waited behind the last one read.";
    INTAKE_REOPENED_TOTAL = "dex_intake_reopened_total", Counter, None, "Times a partition opened its input again after a fault.";
    STREAM_ROLLBACKS_TOTAL = "dex_stream_rollbacks_total", Counter, Some("why"), "Times a partition found DEX_IN not to be the stream that it knew, by what had become of it.";
    OUTPUT_LOSSES_TOTAL = "dex_output_losses_total", Counter, Some("why"), "Times DEX_OUT was found not to be the stream that was published to, by what had become of it.";
    HEALED_TOTAL = "dex_healed_total", Counter, Some("what"), "What went out again because a stream had lost it, by what it was.";
    STREAMS_MADE_AGAIN_TOTAL = "dex_streams_made_again_total", Counter, Some("stream"), "Streams that were gone while the daemon ran and were made again.";
    VERIFY_SECONDS = "dex_verify_seconds", Histogram, None, "Time to verify the signatures of one batch.";
    DECIDE_SECONDS = "dex_decide_seconds", Histogram, None, "Time to decide one batch.";
    COMMIT_SECONDS = "dex_commit_seconds", Histogram, None, "Time of one group commit: spool, segment, checkpoint.";
    COMMIT_GROUP_ENTRIES = "dex_commit_group_entries", Histogram, None, "Entries in one group commit.";
    OUTCOME_SECONDS = "dex_outcome_seconds", Histogram, None, "From a message's store time to its first outcome.";
    SETTLE_SECONDS = "dex_settle_seconds", Histogram, None, "From an exchange's opening to its settlement.";
    LEDGER_TREE_SIZE = "dex_ledger_tree_size", Gauge, None, "Entries in the ledger.";
    LEDGER_BYTES = "dex_ledger_bytes", Gauge, None, "Bytes of the ledger's files on disk.";
    DISK_FREE_BYTES = "dex_disk_free_bytes", Gauge, None, "Bytes free for the daemon on the disk of its state folder.";
    SPOOL_BYTES = "dex_spool_bytes", Gauge, None, "Bytes of content held for open exchanges.";
    LARGE_MOVED_TOTAL = "dex_large_moved_total", Counter, Some("what"), "Large contents that were fetched, refused, delivered, cleared or swept, and tries that are repeated.";
    LARGE_BYTES_TOTAL = "dex_large_bytes_total", Counter, Some("direction"), "Bytes of large content over the bus, fetched (in) and handed out (out).";
    LARGE_WAITING = "dex_large_waiting", Gauge, None, "Large contents that wait to be fetched.";
    LARGE_STORED_BYTES = "dex_large_stored_bytes", Gauge, None, "Bytes that large contents of open exchanges take, or are about to.";
    TAIL_ENTRIES = "dex_tail_entries", Gauge, None, "Committed entries that are not in rows yet.";
    COMMIT_FAILURES_TOTAL = "dex_commit_failures_total", Counter, None, "Writes or syncs of the ledger that failed; the daemon exits 75 on the first.";
    DISK_FULL_TOTAL = "dex_disk_full_total", Counter, None, "Commits that waited for disk space.";
    PUBLISHED_TOTAL = "dex_published_total", Counter, Some("what"), "Messages published, by what they were.";
    REDELIVERIES_TOTAL = "dex_redeliveries_total", Counter, None, "Open deliveries that were sent again.";
    DELIVERIES_PARKED_TOTAL = "dex_deliveries_parked_total", Counter, None, "Times a delivery or a request was kept back, because its recipient was suspended or had no key in force.";
    PUBLISHING_STALLS_TOTAL = "dex_publishing_stalls_total", Counter, Some("why"), "Times that publishing to DEX_OUT had to wait: the stream full, the broker busy or unreachable.";
    NOTICES_TOTAL = "dex_notices_total", Counter, Some("what"), "Notices that were posted and that ended, and HATs that one was published to, listed for, or passed over for.";
    JOBS_TOTAL = "dex_jobs_total", Counter, Some("what"), "Jobs that were planned, went on, and ended, by how.";
    JOBS_OPEN = "dex_jobs_open", Gauge, None, "Jobs that have not ended, whether workers have them or not.";
    JOBS_QUEUED = "dex_jobs_queued", Gauge, None, "Open jobs that wait to be handed to workers: for their plug's pace, its hold or room in DEX_JOBS.";
    JOB_SECONDS = "dex_job_seconds", Histogram, None, "From the planning of a job to its end.";
    EFFECTS_FAILED_TOTAL = "dex_effects_failed_total", Counter, Some("what"), "Effects that could not leave.";
    ACTORS_LIVE = "dex_actors_live", Gauge, Some("partition"), "Live entity actors.";
    ACTOR_EXITS_TOTAL = "dex_actor_exits_total", Counter, Some("why"), "Entity actors that ended, by why.";
    MAILBOX_SECONDS = "dex_mailbox_seconds", Histogram, None, "Time that an entity's part of a batch waited in its mailbox.";
    ENTITY_LOADS_TOTAL = "dex_entity_loads_total", Counter, None, "Entities loaded from committed state.";
    ENTITIES_QUARANTINED = "dex_entities_quarantined", Gauge, None, "Entities that are quarantined.";
    QUARANTINES_TOTAL = "dex_quarantines_total", Counter, Some("kind"), "Entities that were quarantined, by kind.";
    SNAPSHOT_SECONDS = "dex_snapshot_seconds", Histogram, None, "Time to write one snapshot.";
    SNAPSHOT_ROWS_TOTAL = "dex_snapshot_rows_total", Counter, None, "Rows written by snapshots.";
    SNAPSHOT_THROUGH = "dex_snapshot_through", Gauge, None, "Entries of the ledger that are in rows.";
    SNAPSHOT_WRITTEN_SECONDS = "dex_snapshot_written_seconds", Gauge, None, "When rows were last written, Unix time; 0: not yet since the start.";
    SNAPSHOT_FAILURES_TOTAL = "dex_snapshot_failures_total", Counter, None, "Snapshots that could not be written.";
    ONBOARDINGS_TOTAL = "dex_onboardings_total", Counter, Some("result"), "HATs onboarded by address, by what came of it.";
    BRIDGE_HATS = "dex_bridge_hats", Gauge, None, "HATs that speak only HTTP and that this process carries for.";
    BRIDGE_HATS_DOWN = "dex_bridge_hats_down", Gauge, None, "Of these, those that have failed three times or more in a row.";
    BRIDGE_CREDITS_TOTAL = "dex_bridge_credits_total", Counter, Some("result"), "Deliveries to HATs over HTTP, by what was answered for them.";
    BRIDGE_RECORDS_TOTAL = "dex_bridge_records_total", Counter, Some("fate"), "Records posted to HATs over HTTP, by what became of them.";
    BRIDGE_PULLS_TOTAL = "dex_bridge_pulls_total", Counter, Some("result"), "Pulls answered for HATs over HTTP, by how.";
    BRIDGE_DEBITS_TOTAL = "dex_bridge_debits_total", Counter, Some("what"), "Data debits proposed on HATs over HTTP, and decisions of their owners told to the exchange.";
    BRIDGE_FAULTS_TOTAL = "dex_bridge_faults_total", Counter, Some("kind"), "Calls to HATs over HTTP that failed, by kind.";
    WORKER_JOBS_TOTAL = "dex_worker_jobs_total", Counter, Some("result"), "Jobs that a worker had, by how they ended there.";
    WORKER_JOBS_RUNNING = "dex_worker_jobs_running", Gauge, None, "Jobs under way at a worker.";
    WORKER_PAGE_SECONDS = "dex_worker_page_seconds", Histogram, None, "Time to fetch one page of a source, without waits for a place.";
    WORKER_FAULTS_TOTAL = "dex_worker_faults_total", Counter, Some("error"), "Pages that could not be fetched, each try, by why.";
    WORKER_ROUNDS_ANEW_TOTAL = "dex_worker_rounds_anew_total", Counter, Some("error"), "Rounds that a worker began anew, for the source did not take the place that was kept, by its answer.";
    WORKER_RECORDS_TOTAL = "dex_worker_records_total", Counter, Some("fate"), "Records of fetched pages, by what became of them.";
    WORKER_REMEMBERED_RECORDS = "dex_worker_remembered_records", Gauge, None, "Ids of credited records that a worker remembers, so as not to send them again.";
    WORKER_TOKENS_TOTAL = "dex_worker_tokens_total", Counter, Some("result"), "Access tokens that were asked for by a refresh token.";
    WORKER_HOSTS_PAUSED = "dex_worker_hosts_paused", Gauge, None, "Hosts of sources that are left alone for a while.";
    NATS_CONNECTED = "dex_nats_connected", Gauge, None, "1 while the broker is connected, else 0.";
    NATS_RECONNECTS_TOTAL = "dex_nats_reconnects_total", Counter, None, "Times the broker's connection was lost and made again.";
    NATS_SLOW_CONSUMERS_TOTAL = "dex_nats_slow_consumers_total", Counter, None, "Times the broker's client dropped messages because we read too slowly; intake reads them again.";
    HEALTH_CHECK = "dex_health_check", Gauge, Some("check"), "1 while a check of /health/ready is well, else 0, by its name.";
    RESIDENT_BYTES = "dex_resident_bytes", Gauge, None, "Memory that the daemon holds (resident set).";
    CPU_SECONDS_TOTAL = "dex_cpu_seconds_total", Counter, None, "CPU time that the daemon has used, whole seconds.";
    READY = "dex_ready", Gauge, None, "1 while /health/ready says so, else 0.";
    LIVE = "dex_live", Gauge, None, "1 while no part is stuck (/health/live), else 0.";
    START_TIME_SECONDS = "dex_start_time_seconds", Gauge, None, "When the daemon started, Unix time.";
    REST_REQUESTS_TOTAL = "dex_rest_requests_total", Counter, Some("status"), "Requests to the gateway, by class of method, route template and class of status.";
    REST_SECONDS = "dex_rest_seconds", Histogram, None, "Time to answer a request to the gateway.";
    WINDOW_ACCEPTED_EXCHANGES = "dex_window_accepted_exchanges", Gauge, Some("window"), "Exchanges that were accepted within a rolling window, by the time of their messages.";
    WINDOW_SETTLED_EXCHANGES = "dex_window_settled_exchanges", Gauge, Some("window"), "Exchanges that were settled within a rolling window.";
    WINDOW_DISPUTED_EXCHANGES = "dex_window_disputed_exchanges", Gauge, Some("window"), "Exchanges that were disputed within a rolling window.";
    WINDOW_EXPIRED_EXCHANGES = "dex_window_expired_exchanges", Gauge, Some("window"), "Exchanges that expired within a rolling window.";
    WINDOW_RECALLED_EXCHANGES = "dex_window_recalled_exchanges", Gauge, Some("window"), "Exchanges that were recalled within a rolling window.";
    WINDOW_REJECTED_MESSAGES = "dex_window_rejected_messages", Gauge, Some("window"), "Messages of authenticated senders that were refused within a rolling window.";
    WINDOW_UNAUTHENTICATED_MESSAGES = "dex_window_unauthenticated_messages", Gauge, Some("window"), "Messages that were refused before their sender was authenticated, within a rolling window.";
    WINDOW_CREDITED_RECORDS = "dex_window_credited_records", Gauge, Some("window"), "Records that the exchange saw go into HATs within a rolling window.";
    WINDOW_RELEASED_RECORDS = "dex_window_released_records", Gauge, Some("window"), "Records that the exchange saw go out of HATs within a rolling window.";
    WINDOW_CREDITED_BYTES = "dex_window_credited_bytes", Gauge, Some("window"), "Bytes of content that the exchange saw go into HATs within a rolling window.";
    WINDOW_RELEASED_BYTES = "dex_window_released_bytes", Gauge, Some("window"), "Bytes of content that the exchange saw go out of HATs within a rolling window.";
    WINDOW_DROPPED_FIELDS = "dex_window_dropped_fields", Gauge, Some("window"), "Fields that were left out of deliveries for their class within a rolling window.";
    WINDOW_ACTIVE_HATS = "dex_window_active_hats", Gauge, Some("window"), "HATs of which an exchange began within a rolling window, within 2.3 %.";
    WINDOW_ACTIVE_SOURCES = "dex_window_active_sources", Gauge, Some("window"), "Plugs and apps that wrote into a HAT within a rolling window, within 2.3 %.";
    WINDOW_ACTIVE_ACQUIRERS = "dex_window_active_acquirers", Gauge, Some("window"), "Clients of debits that were given data or asked for some within a rolling window, within 2.3 %.";
    WINDOW_SETTLE_P50_SECONDS = "dex_window_settle_p50_seconds", Gauge, Some("window"), "Median time from opening to settlement within a rolling window, within 1 %; 0 when none was settled.";
    WINDOW_SETTLE_P99_SECONDS = "dex_window_settle_p99_seconds", Gauge, Some("window"), "Time from opening to settlement that 99 % did not exceed within a rolling window, within 1 %; 0 when none was settled.";
    WINDOW_OUTCOME_P50_SECONDS = "dex_window_outcome_p50_seconds", Gauge, Some("window"), "Median time from a message's store time to the commit of what was decided, within a rolling window; 0 when there was none.";
    WINDOW_OUTCOME_P99_SECONDS = "dex_window_outcome_p99_seconds", Gauge, Some("window"), "The same that 99 % did not exceed.";
    WINDOW_CLAIMS_CONFIRMED = "dex_window_claims_confirmed", Gauge, Some("window"), "Claims on offers that were confirmed within a rolling window.";
    WINDOW_DEBITS_ENABLED = "dex_window_debits_enabled", Gauge, Some("window"), "Data debits that owners enabled within a rolling window.";
    WINDOW_DEBITS_DISABLED = "dex_window_debits_disabled", Gauge, Some("window"), "Data debits that owners disabled within a rolling window.";
    WINDOW_JOBS_DONE = "dex_window_jobs_done", Gauge, Some("window"), "Jobs that plugs reported as done within a rolling window.";
    WINDOW_JOBS_FAILED = "dex_window_jobs_failed", Gauge, Some("window"), "Jobs that plugs reported as failed within a rolling window.";
    WINDOW_REPORTED_IN_VALUES = "dex_window_reported_in_values", Gauge, Some("window"), "Values that HATs themselves reported to have come in within a rolling window; never to be added to what the exchange saw.";
    WINDOW_REPORTED_OUT_VALUES = "dex_window_reported_out_values", Gauge, Some("window"), "Values that HATs themselves reported to have gone out within a rolling window.";
    PLUG_HEALTHY = "dex_plug_healthy", Gauge, Some("name"), "1 while an approved plug's jobs are well or it has reported none yet, else 0; at most 50 by name, `other`: 1 while all the rest are well.";
    PLUG_LAG_SECONDS = "dex_plug_lag_seconds", Gauge, Some("name"), "How far a plug says that it lies behind its source; at most 50 by name, `other`: the greatest of the rest.";
    CATALOGUE_ENDPOINTS = "dex_catalogue_endpoints", Gauge, None, "Endpoints in the catalogue of available data.";
    CATALOGUE_FIELDS = "dex_catalogue_fields", Gauge, None, "Fields in the catalogue of available data.";
    STATISTICS_BEHIND_ENTRIES = "dex_statistics_behind_entries", Gauge, None, "Committed entries that the rolling windows do not hold yet.";
    BUILD_INFO = "dex_build_info", Gauge, Some("version"), "1, with the version as label.";
}

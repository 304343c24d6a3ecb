//! The stated bounds of messages and of what one entity may hold.

use super::time::SECOND;

/// Bounds that the core checks. Every field has a default; the configuration may change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest body, bytes.
    pub body_bytes: usize,
    /// Largest header block, bytes.
    pub header_bytes: usize,
    /// Deepest nesting of a JSON body.
    pub depth: usize,
    /// Most records in one body.
    pub records: usize,
    /// How far back an id's time may lie from its store time, nanoseconds.
    pub id_back: i64,
    /// How far ahead an id's time may lie of its store time, nanoseconds.
    pub id_ahead: i64,
    /// Deadline of an exchange that names none, nanoseconds after its store time.
    pub deadline_default: i64,
    /// Nearest deadline, nanoseconds.
    pub deadline_min: i64,
    /// Farthest deadline, nanoseconds.
    pub deadline_max: i64,
    /// Most open exchanges of one HAT; more are refused `recipient-over-quota`.
    pub open_per_hat: usize,
    /// Most exchanges of one HAT that are held back at once; more are refused `over-quota`.
    pub held_per_hat: usize,
    /// How long a place in an offer is kept for a claim that nobody confirms, nanoseconds.
    pub claim_lapse: i64,
    /// A HAT's owner who has not answered a plug that asks to be connected is asked again after so many nanoseconds, and
    /// then after twice as many each time, up to a day.
    pub connecting_again: i64,
    /// Most messages of one sender to one HAT in a minute of event time; more are refused `over-quota`.
    pub messages_per_minute: u32,
    /// Most data debits one HAT holds, ended ones not counted.
    pub debits_per_hat: usize,
    /// Most debits that are active at once, so the most parts of one fan-out.
    pub active_debits_per_hat: usize,
    /// Most connected plugs, and most set-up apps, of one HAT.
    pub connections_per_hat: usize,
    /// Most keys kept of one party.
    pub keys_per_party: usize,
    /// Most pending registrations (one per key) of one id.
    pub pending_per_id: usize,
    /// Most revisions of one debit.
    pub revisions_per_debit: usize,
    /// Most notices of one party in an hour; more are refused `over-quota`.
    pub notices_per_hour: u32,
    /// Largest content that goes by an object store, bytes, below 4 GiB; 0: none does.
    pub large_bytes: u64,
    /// Most bytes of such content in the open exchanges of one HAT; more are refused `recipient-over-quota`.
    pub large_per_hat: u64,
    /// Whether what waits for approval needs two different operators.
    pub four_eyes: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes: 512 * 1024,
            header_bytes: 4096,
            depth: 64,
            records: 10_000,
            id_back: 3600 * SECOND,
            id_ahead: 300 * SECOND,
            deadline_default: 3600 * SECOND,
            deadline_min: SECOND,
            deadline_max: 7 * 86_400 * SECOND,
            open_per_hat: 10_000,
            held_per_hat: 256,
            claim_lapse: 86_400 * SECOND,
            connecting_again: 3600 * SECOND,
            messages_per_minute: 60_000,
            debits_per_hat: 1000,
            active_debits_per_hat: 64,
            connections_per_hat: 256,
            keys_per_party: 16,
            pending_per_id: 8,
            revisions_per_debit: 64,
            notices_per_hour: 60,
            large_bytes: 1 << 30,
            large_per_hat: 4 << 30,
            four_eyes: false,
        }
    }
}

"""Client of a dex data exchange: signed messages in, verified deliveries and receipts out, over NATS JetStream."""

from .address import KINDS, Address, parse_address, subject_in, subject_out, token
from .checkpoint import Checkpoint, CheckpointVerifier
from .client import Client, Conclusion, connect
from .delivery import Delivery, Verdict
from .encoding import digest_of
from .entry import Entry, read_entry
from .errors import (
    REASONS, ArgumentError, BrokerError, DexError, Fault, FormError, KeyFault, NoAnswer, NoOutcome, ProofError, QueryRefused,
    Reason, Refused, Unverified,
)
from .ids import Ids
from .inbox import Bad, Deliveries, Inbox, Item, Outcomes, Recall, Request, Told, Topic
from .jobs import page_id, record_id
from .keys import SigningKey, load_key, public_key_bytes, public_key_text, store_key, verify
from .large import LargeObject
from .outcome import Outcome, Part, Proof, Proved, Root, Status, open_checkpoint, proved_entry, verify_outcome
from .received import Received, Trust, Verifier
from .signed_text import signed_text_in, signed_text_out
from .tree import leaf_hash, node_hash, root_of, shared_text, verify_consistency
from .trust_bundle import TrustBundle, holds, open_trust_bundle
from .upload import Source
from .worker import Job, JobError, Jobs

__all__ = [
    "KINDS", "REASONS", "Address", "ArgumentError", "Bad", "BrokerError", "Checkpoint", "CheckpointVerifier", "Client",
    "Conclusion", "Deliveries", "Delivery", "DexError", "Entry", "Fault", "FormError", "Ids", "Inbox", "Item", "Job", "JobError", "Jobs", "KeyFault",
    "LargeObject", "NoAnswer", "NoOutcome", "Outcome", "Outcomes", "Part", "Proof", "ProofError", "Proved", "QueryRefused",
    "Reason", "Recall", "Received", "Refused", "Request", "Root", "SigningKey", "Source", "Status", "Told", "Topic", "Trust",
    "TrustBundle", "Unverified", "Verdict", "Verifier", "connect", "digest_of", "holds", "leaf_hash", "load_key", "node_hash",
    "open_checkpoint", "open_trust_bundle", "page_id", "parse_address", "proved_entry", "public_key_bytes", "public_key_text",
    "read_entry", "record_id", "root_of", "shared_text", "signed_text_in", "signed_text_out", "store_key", "subject_in", "subject_out",
    "token", "verify", "verify_consistency", "verify_outcome",
]

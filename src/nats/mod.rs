//! The broker layer: everything the exchange asks of NATS JetStream, over `async-nats` and nothing else of ours.
//!
//! Objects are made on the thread that uses them and run on a `current_thread` runtime.

pub mod connect;
pub mod distrust;
pub mod embedded;
pub mod headers;
pub mod intake;
pub mod link;
pub mod lookup;
pub mod objects;
pub mod partition;
pub mod publish;
pub mod requirements;
pub mod streams;

pub use connect::{Connect, ConnectError, Credentials};
pub use distrust::{Known, Loss};
pub use embedded::{EmbeddedError, EmbeddedOptions, EmbeddedServer, ServerExit, WebSocketOptions};
pub use headers::{HeaderView, header_map};
pub use intake::{Intake, IntakeError, IntakeOptions, Raw};
pub use link::{Link, LinkEvent, LinkState};
pub use lookup::{LookupError, StoredMessage};
pub use partition::{lane_tokens, partition_of};
pub use publish::{BatchPublisher, Outgoing, PublishError, PublishStatus, PublisherOptions, Ticket};
pub use requirements::{RequirementError, ServerFacts};
pub use streams::{Difference, Prepared, StreamError, StreamIdentity};

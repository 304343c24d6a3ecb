//! Content above the size of a message: made, received, and looked for after its end.

use std::path::Path;
use std::time::{Duration, Instant};

use dex::client::Client;
use dex::domain::exchange::large::Object;
use dex::domain::{Digest, Status};
use dex::nats::Link;
use dex::wire::object::{BUCKET_IN, BUCKET_OUT, stream_of};
use futures_util::StreamExt;

/// How long a step of a large content may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Records of `facebook/feed` and `facebook/events` in turn, an array of just `bytes` bytes; how many there are.
pub fn content(bytes: usize) -> (Vec<u8>, u32) {
    let mut out = Vec::with_capacity(bytes);
    out.push(b'[');
    let mut count = 0;
    while out.len() + 3000 < bytes {
        let endpoint = if count % 2 == 0 { "feed" } else { "events" };
        if count > 0 {
            out.push(b',');
        }
        let text = "lorem ipsum { dolor ] sit \\\"amet\\\" ".repeat(20 + (count % 13) as usize);
        out.extend_from_slice(
            format!(r#"{{"endpoint":"facebook/{endpoint}","data":{{"n":{count},"message":"{text}"}}}}"#).as_bytes(),
        );
        count += 1;
    }
    let (head, tail) = (r#",{"endpoint":"facebook/feed","data":{"message":""#, r#""}}]"#);
    let head = if count == 0 { &head[1..] } else { head };
    let fill = bytes - out.len() - head.len() - tail.len();
    out.extend_from_slice(head.as_bytes());
    out.resize(out.len() + fill, b'x');
    out.extend_from_slice(tail.as_bytes());
    assert_eq!(out.len(), bytes);
    (out, count + 1)
}

/// Takes the next delivery as a whole and says that it has it; its object, and what was in it.
pub async fn receive(party: &Client) -> (Object, Vec<u8>) {
    let mut deliveries = party.deliveries().await.expect("an inbox");
    let delivery = deliveries.next().await.expect("one").expect("good");
    let mut came = Vec::new();
    let object = delivery.download(&mut came).await.expect("whole");
    assert_eq!((object.size, object.digest), (came.len() as u64, Digest::of(&came)));
    assert_eq!(object.count, delivery.count);
    assert_eq!(delivery.accept().await.expect("taken").outcome.status, Status::Settled);
    (object, came)
}

/// Chunks in both buckets, sent and delivered, and files in the folder.
pub async fn remains(link: &Link, state: &Path) -> (u64, u64, usize) {
    let mut chunks = [0; 2];
    for (place, bucket) in [BUCKET_IN, BUCKET_OUT].into_iter().enumerate() {
        let stream = link.jetstream.get_stream(stream_of(bucket)).await.expect("made by the daemon");
        chunks[place] = stream.cached_info().state.messages;
    }
    let files = std::fs::read_dir(state.join("large")).expect("made by the daemon").count();
    (chunks[0], chunks[1], files)
}

/// Waits until nothing of any large content is left.
pub async fn cleared(link: &Link, state: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let left = remains(link, state).await;
        if left == (0, 0, 0) {
            return;
        }
        assert!(Instant::now() < deadline, "chunks in, chunks out and files that stay: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A line of `/proc/<pid>/status` in bytes, such as `VmRSS` or `VmHWM`.
pub fn memory(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let kib = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')?.trim().strip_suffix(" kB"));
    kib.expect("told").trim().parse::<u64>().expect("a number") * 1024
}

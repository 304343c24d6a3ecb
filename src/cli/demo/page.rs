//! Reads one page of the demo's own daemon over loopback.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest page that is read, bytes.
const PAGE_MAX: u64 = 8 << 20;
/// How long a page may take.
const WITHIN: Duration = Duration::from_secs(3);

/// The body of `http://<address><path>`. HTTP/1.0, so that the answer comes whole and unchunked.
///
/// # Errors
/// When it cannot be read, or is not answered with 200.
pub async fn get(address: &str, path: &str) -> io::Result<String> {
    let read = async {
        let mut stream = TcpStream::connect(address).await?;
        let ask = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: text/plain\r\n\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(PAGE_MAX).read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.lines().next().unwrap_or_default();
        if status.split(' ').nth(1) != Some("200") {
            return Err(io::Error::other(format!("answered with {status:?}")));
        }
        Ok(body.to_owned())
    };
    match tokio::time::timeout(WITHIN, read).await {
        Ok(read) => read,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

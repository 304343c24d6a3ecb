//! A server that answers as a test says, byte by byte where it must.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::connectors::{Account, Connector, FetchError, FetchLimits, Fetcher, Page, SourceRecord};
use crate::domain::Timestamp;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    head: String,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// A parameter of the query, decoded.
    pub fn param(&self, name: &str) -> Option<String> {
        let url = reqwest::Url::parse(&format!("http://x{}", self.path)).expect("a path");
        url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

/// What is answered.
pub enum Reply {
    /// These bytes, head and all; then the connection ends.
    Raw(Vec<u8>),
    /// These bytes, then this again and again.
    Endless(Vec<u8>, Vec<u8>),
    /// One byte of these at a time.
    Drip(Vec<u8>, Duration),
    /// These bytes, and the connection stays open.
    Hang(Vec<u8>),
}

/// 200 with a JSON body and further header lines.
pub fn json_with(body: &Value, lines: &str) -> Reply {
    whole("200 OK", &format!("content-type: application/json; charset=utf-8\r\n{lines}"), body.to_string().as_bytes())
}

pub fn json(body: &Value) -> Reply {
    json_with(body, "")
}

/// A whole answer.
pub fn whole(status: &str, lines: &str, body: &[u8]) -> Reply {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{lines}\r\n", body.len());
    Reply::Raw([head.as_bytes(), body].concat())
}

/// A running server; it ends with the runtime of its test.
pub struct Server {
    pub at: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                tokio::spawn(async move {
                    let mut stream = stream;
                    let Some(request) = read(&mut stream).await else { return };
                    log.lock().expect("the log").push(request.clone());
                    // Who hangs up on a hostile server does well.
                    let _ = write(&mut stream, answer(&request)).await;
                });
            }
        });
        Server { at, asked }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the log").clone()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut step = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut step).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&step[..n]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut words = head.split_ascii_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut asked = Asked { method, path, head, body: bytes[end..].to_vec() };
    let length: usize = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while asked.body.len() < length {
        match stream.read(&mut step).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => asked.body.extend_from_slice(&step[..n]),
        }
    }
    Some(asked)
}

async fn write(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Raw(bytes) => stream.write_all(&bytes).await?,
        Reply::Endless(head, again) => {
            stream.write_all(&head).await?;
            loop {
                stream.write_all(&again).await?;
            }
        }
        Reply::Drip(bytes, pause) => {
            for byte in bytes {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(pause).await;
            }
        }
        Reply::Hang(bytes) => {
            stream.write_all(&bytes).await?;
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
    }
    stream.shutdown().await
}

pub fn now() -> Timestamp {
    "2026-03-15T12:00:00Z".parse().expect("a time")
}

/// Short limits, and this machine allowed.
pub fn limits() -> FetchLimits {
    FetchLimits {
        timeout: Duration::from_secs(3),
        idle: Duration::from_millis(500),
        max_wire_bytes: 1 << 20,
        max_bytes: 2 << 20,
        allow_private: vec!["127.0.0.0/8".parse().expect("a network")],
        ..FetchLimits::default()
    }
}

/// A connector with its way out and where it stands.
pub struct Reader {
    pub connector: Connector,
    pub http: Fetcher,
    pub account: Account,
    pub continuation: Option<String>,
    pub now: Timestamp,
}

impl Reader {
    pub fn new(settings: &Value) -> Reader {
        Reader {
            connector: Connector::read(settings, "c").expect("settings"),
            http: Fetcher::new(limits()).expect("a fetcher"),
            account: Account::default(),
            continuation: None,
            now: now(),
        }
    }

    /// `http-json` for an address with further settings.
    pub fn json(url: &str, more: &Value) -> Reader {
        let mut settings = json!({"kind": "http-json", "url": url});
        for (name, value) in more.as_object().expect("an object") {
            settings[name] = value.clone();
        }
        Reader::new(&settings)
    }

    pub fn limited(mut self, limits: FetchLimits) -> Reader {
        self.http = Fetcher::new(limits).expect("a fetcher");
        self
    }

    pub async fn page(&mut self) -> Result<Page, FetchError> {
        let page = self.connector.page(&self.http, &self.account, self.continuation.as_deref(), self.now).await?;
        assert!(page.continuation.as_ref().is_some_and(|text| text.len() <= crate::connectors::CONTINUATION_MAX));
        self.continuation = page.continuation.clone();
        Ok(page)
    }

    /// A whole round.
    pub async fn round(&mut self) -> Result<Vec<SourceRecord>, FetchError> {
        let mut all = Vec::new();
        loop {
            let page = self.page().await?;
            all.extend(page.records);
            if !page.more {
                return Ok(all);
            }
            assert!(all.len() < 100_000, "a round without end");
        }
    }
}

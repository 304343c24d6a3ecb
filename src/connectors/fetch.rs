//! One request to a source: where it may go is judged at every step, what it may cost is bounded.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    LOCATION,
};
use reqwest::{Client, Method, Response, StatusCode, Url};

use crate::domain::Timestamp;
use crate::http::resolve::{Guard, NotPublic, Open};
use crate::http::secret::Secret;

use super::after::retry_after;
use super::auth;
use super::body::{self, Coding};
use super::error::FetchError;
use super::limits::{Allow, FetchLimits};

/// Longest URL, bytes: of settings, redirects and next links.
pub const URL_BYTES_MAX: usize = 4096;

/// A request.
#[derive(Debug, Clone)]
pub struct Ask {
    /// GET or POST.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers that go to any host.
    pub headers: HeaderMap,
    /// Headers with credentials: they go to the first host only, and never without TLS to a public address.
    pub secret: Vec<(HeaderName, HeaderValue)>,
    /// Credentials stand in the URL or the body.
    pub secret_inside: bool,
    /// The body of a POST, with its type.
    pub body: Option<(&'static str, Bytes)>,
    /// What to accept, as `Accept`.
    pub accept: &'static str,
    /// Media types that are taken, like `application/json`, `*+xml` or `text/*`; none: any, and no type too.
    pub types: Vec<String>,
}

impl Ask {
    /// A GET of anything.
    pub fn get(url: Url) -> Ask {
        Ask {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            secret: Vec::new(),
            secret_inside: false,
            body: None,
            accept: "*/*",
            types: Vec::new(),
        }
    }
}

/// What came: a success, or "not modified".
#[derive(Debug)]
pub struct Answer {
    /// 200 to 299, or 304.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, decompressed.
    pub body: Vec<u8>,
    /// Where it came from at last.
    pub url: Url,
}

/// The way out to sources: one for all plugs of a worker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// To public addresses and the networks that are allowed.
    closed: Client,
    /// To places that are allowed by name and port.
    open: Client,
    nets: Open,
    limits: FetchLimits,
}

impl Fetcher {
    /// A way out with these bounds. No proxy of the environment is used: it would resolve names elsewhere.
    ///
    /// # Errors
    /// What TLS needs of the system is not there.
    pub fn new(limits: FetchLimits) -> reqwest::Result<Fetcher> {
        let nets: Vec<_> = limits
            .allow_private
            .iter()
            .filter_map(|allow| match allow {
                Allow::Net(net) => Some(*net),
                Allow::Place(..) => None,
            })
            .collect();
        let nets = if nets.is_empty() { Open::Public } else { Open::Nets(nets.into()) };
        let client = |open: Open| {
            crate::http::outward::builder(limits.timeout)
                .connect_timeout(limits.connect)
                .dns_resolver(Guard { fixed: Arc::new([]), open })
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .pool_max_idle_per_host(limits.idle_per_host)
                .user_agent(concat!("dex/", env!("CARGO_PKG_VERSION")))
                .build()
        };
        let (closed, open) = (client(nets.clone())?, client(Open::All)?);
        Ok(Fetcher { inner: Arc::new(Inner { closed, open, nets, limits }) })
    }

    /// Its bounds.
    pub fn limits(&self) -> &FetchLimits {
        &self.inner.limits
    }

    /// Sends a request and reads the answer, redirects of a GET followed. `now` is for `Retry-After`.
    ///
    /// # Errors
    /// [`FetchError`], by the answer's status too.
    pub async fn send(&self, ask: &Ask, now: Timestamp) -> Result<Answer, FetchError> {
        let timeout = self.inner.limits.timeout;
        tokio::time::timeout(timeout, self.inner.follow(ask, now)).await.unwrap_or(Err(FetchError::Timeout))
    }

    /// Sends a form, as a token endpoint wants it, and gives the answer whatever its status. No redirect is followed.
    ///
    /// # Errors
    /// [`FetchError`] when there is no answer, or we do not ask there.
    pub async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        basic: Option<(&str, &Secret)>,
    ) -> Result<(u16, Bytes), FetchError> {
        let Ok(mut url) = Url::parse(url) else { return FetchError::refused("the address of the form is none") };
        let inside = url.query().map(str::to_owned);
        // The pairs are written as those of a query are.
        url.query_pairs_mut().clear().extend_pairs(form);
        let body = Bytes::from(url.query().unwrap_or_default().to_owned());
        url.set_query(inside.as_deref());
        let mut ask = Ask { method: Method::POST, secret_inside: true, accept: "application/json", ..Ask::get(url) };
        ask.body = Some(("application/x-www-form-urlencoded", body));
        if let Some((name, password)) = basic {
            ask.secret.push((AUTHORIZATION, auth::basic(name, password)?));
        }
        let inner = &self.inner;
        let whole = async {
            let answer = inner.once(&ask, &ask.url, true).await?;
            let (status, coding) = (answer.status().as_u16(), Coding::read(encoding(answer.headers()))?);
            let body = body::decode(coding, inner.read(answer).await?, &inner.limits)?;
            Ok((status, Bytes::from(body)))
        };
        tokio::time::timeout(inner.limits.timeout, whole).await.unwrap_or(Err(FetchError::Timeout))
    }
}

/// The value of `Content-Encoding`.
fn encoding(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes)
}

impl Inner {
    async fn follow(&self, ask: &Ask, now: Timestamp) -> Result<Answer, FetchError> {
        let mut url = ask.url.clone();
        let mut redirects = 0;
        loop {
            let same = origin(&url) == origin(&ask.url);
            let answer = self.once(ask, &url, same).await?;
            let status = answer.status();
            if !(status.is_redirection() && answer.headers().contains_key(LOCATION)) {
                return self.judge(ask, answer, url, now).await;
            }
            redirects += 1;
            if redirects > self.limits.max_redirects {
                return FetchError::refused(format!("more than {} redirects", self.limits.max_redirects));
            }
            if ask.method != Method::GET {
                return FetchError::refused(format!("the source redirects a {} ({})", ask.method, status.as_u16()));
            }
            url = redirected(&url, answer.headers())?;
        }
    }

    /// One step: the address is judged, then asked. `same`: credentials go along.
    async fn once(&self, ask: &Ask, url: &Url, same: bool) -> Result<Response, FetchError> {
        let client = self.client_for(url)?;
        let with_secret = same && (!ask.secret.is_empty() || ask.secret_inside);
        if with_secret && url.scheme() != "https" && !self.is_allowed(url) {
            return FetchError::refused("credentials go over https:// only, or to a place that is allowed as private");
        }
        let mut request = client
            .request(ask.method.clone(), url.clone())
            .headers(ask.headers.clone())
            .header(ACCEPT_ENCODING, Coding::ACCEPTED);
        if !ask.headers.contains_key(ACCEPT) {
            request = request.header(ACCEPT, ask.accept);
        }
        if same {
            for (name, value) in &ask.secret {
                request = request.header(name, value);
            }
        }
        if let Some((kind, body)) = &ask.body {
            request = request.header(CONTENT_TYPE, *kind).body(body.clone());
        }
        let answer = request.send().await.map_err(|error| fault(&error))?;
        // The resolver has judged it already; this holds whatever the library does with a name.
        match answer.remote_addr() {
            Some(peer) if !self.nets.has(peer.ip()) && !self.is_place(url) => not_public(),
            _ => Ok(answer),
        }
    }

    /// The client that may go to this URL.
    fn client_for(&self, url: &Url) -> Result<&Client, FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return FetchError::refused("the address is neither https:// nor http://");
        }
        if url.as_str().len() > URL_BYTES_MAX {
            return FetchError::refused(format!("the address has more than {URL_BYTES_MAX} bytes"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return FetchError::refused("the address names a user or password");
        }
        if self.is_place(url) {
            return Ok(&self.open);
        }
        match literal(url) {
            Some(ip) if !self.nets.has(ip) => not_public(),
            _ => Ok(&self.closed),
        }
    }

    fn is_place(&self, url: &Url) -> bool {
        let here = (url.host_str(), url.port_or_known_default());
        self.limits
            .allow_private
            .iter()
            .any(|allow| matches!(allow, Allow::Place(host, port) if here == (Some(host.as_str()), Some(*port))))
    }

    /// Whether this is a place that the configuration names, by name or as an address of a network.
    fn is_allowed(&self, url: &Url) -> bool {
        let in_nets = |ip| matches!(&self.nets, Open::Nets(nets) if nets.iter().any(|net| net.contains(&ip)));
        self.is_place(url) || literal(url).is_some_and(in_nets)
    }

    async fn judge(&self, ask: &Ask, answer: Response, url: Url, now: Timestamp) -> Result<Answer, FetchError> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { status, headers, body: Vec::new(), url });
        }
        if !status.is_success() {
            return Err(refusal(status, &headers, now));
        }
        if status != StatusCode::NO_CONTENT {
            check_type(&headers, &ask.types)?;
        }
        let coding = Coding::read(encoding(&headers))?;
        if headers.get_all(CONTENT_ENCODING).iter().count() > 1 {
            return FetchError::malformed("the answer names its compression twice");
        }
        let body = body::decode(coding, self.read(answer).await?, &self.limits)?;
        Ok(Answer { status, headers, body, url })
    }

    async fn read(&self, mut answer: Response) -> Result<Vec<u8>, FetchError> {
        let most = self.limits.max_wire_bytes;
        let told = answer.content_length();
        if told.is_some_and(|length| length > most as u64) {
            return body::too_large(most);
        }
        // What is told is not yet there: no more than a little is taken on its word.
        let mut wire = Vec::with_capacity(told.map_or(0, |length| length.min(64 * 1024) as usize));
        loop {
            let chunk = tokio::time::timeout(self.limits.idle, answer.chunk()).await;
            match chunk.map_err(|_| FetchError::Timeout)?.map_err(|error| fault(&error))? {
                Some(chunk) if wire.len() + chunk.len() > most => return body::too_large(most),
                Some(chunk) => wire.extend_from_slice(&chunk),
                None => return Ok(wire),
            }
        }
    }
}

/// Scheme, host and port: what credentials belong to.
pub(super) fn origin(url: &Url) -> (&str, Option<&str>, Option<u16>) {
    (url.scheme(), url.host_str(), url.port_or_known_default())
}

/// The address that stands in a URL in the place of a name.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn not_public<T>() -> Result<T, FetchError> {
    FetchError::refused("the address is not of the public Internet; allow it in the configuration where it is meant")
}

/// Where a redirect leads.
fn redirected(from: &Url, headers: &HeaderMap) -> Result<Url, FetchError> {
    let to = headers.get(LOCATION).and_then(|to| to.to_str().ok()).filter(|to| to.len() <= URL_BYTES_MAX);
    let Some(to) = to.and_then(|to| from.join(to).ok()) else {
        return FetchError::refused("a redirect leads to what is no address");
    };
    if from.scheme() == "https" && to.scheme() != "https" {
        return FetchError::refused("a redirect leads from https:// to an address without TLS");
    }
    Ok(to)
}

fn check_type(headers: &HeaderMap, types: &[String]) -> Result<(), FetchError> {
    if types.is_empty() {
        return Ok(());
    }
    let said = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = |wanted: &String| match wanted.split_once('*') {
        Some((start, end)) => said.len() >= start.len() + end.len() && said.starts_with(start) && said.ends_with(end),
        None => *wanted == said,
    };
    if types.iter().any(fits) {
        return Ok(());
    }
    FetchError::malformed(format!(
        "the answer's type is none of {}; `contentTypes` says which are taken",
        types.join(", ")
    ))
}

fn refusal(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> FetchError {
    let after = retry_after(headers, now);
    match status.as_u16() {
        429 => FetchError::RateLimited { retry_after: after },
        403 | 503 if after.is_some() => FetchError::RateLimited { retry_after: after },
        401 | 403 => FetchError::Unauthorized,
        404 => FetchError::NotFound,
        410 => FetchError::Gone,
        408 => FetchError::Timeout,
        status @ (400 | 422) => FetchError::Rejected { status },
        code @ 500.. => FetchError::Network(format!("the source answers status {code}")),
        code => FetchError::Refused(format!("the source answers status {code}")),
    }
}

/// The kind of a failure of the library. Its own text would name the URL.
fn fault(error: &reqwest::Error) -> FetchError {
    let mut inner: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = inner {
        if cause.downcast_ref::<NotPublic>().is_some() {
            return FetchError::Refused(
                "the name leads to no public address; allow it in the configuration where it is meant".into(),
            );
        }
        inner = cause.source();
    }
    match () {
        () if error.is_timeout() => FetchError::Timeout,
        () if error.is_connect() => FetchError::Network("no connection to the source".into()),
        () if error.is_builder() => FetchError::Refused("the request cannot be built from the settings".into()),
        () => FetchError::Network("the source broke the connection, or does not speak HTTP".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(from: &str, location: &str) -> Result<String, FetchError> {
        let from = Url::parse(from).expect("a URL");
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).expect("a header"))]);
        redirected(&from, &headers).map(Into::into)
    }

    #[test]
    fn a_redirect_never_leaves_tls() {
        assert_eq!(to("https://a.example/x/y", "../z").as_deref(), Ok("https://a.example/z"));
        assert_eq!(to("http://a.example/", "https://b.example/").as_deref(), Ok("https://b.example/"));
        for bad in ["http://a.example/", "http://b.example/", "ftp://a.example/", "https://"] {
            assert!(matches!(to("https://a.example/", bad), Err(FetchError::Refused(_))), "{bad}");
        }
        let long = format!("/{}", "x".repeat(URL_BYTES_MAX));
        to("https://a.example/", &long).expect_err("too long");
    }

    #[test]
    fn media_types_fit_their_patterns() {
        let check = |said: &'static str, types: &[&str]| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(said))]);
            check_type(&headers, &types.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>()).is_ok()
        };
        assert!(check("Application/JSON; charset=utf-8", &["application/json"]));
        assert!(check("application/vnd.x+json", &["application/*+json"]));
        assert!(!check("application/+jso", &["application/*+json"]));
        assert!(!check("application/json+x", &["application/*+json"]));
        assert!(!check("text/html", &["application/json"]));
        assert!(check("text/html", &[]));
    }
}

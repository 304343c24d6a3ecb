//! The console: a page to look at the exchange with, embedded in the program. It asks the same calls as anybody, so it
//! shows what its token may see and nothing else; its files are public and hold nothing of this exchange.

use std::io::Write as _;
use std::sync::OnceLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use super::endpoint::Endpoint;
use super::fault::Fault;

/// Where it is.
pub const PATH: &str = "/console";

/// What it may load and do: its own files and this exchange's calls; nothing that is written into it runs, and no text
/// can become markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

macro_rules! files {
    ($($name:literal $media:ident),* $(,)?) => {
        [$(($name, $media, include_str!(concat!("console/", $name)))),*]
    };
}

/// Every file: name, type, text. The first is the page.
const FILES: [(&str, &str, &str); 23] = files![
    "index.html" HTML,
    "theme.js" SCRIPT,
    "app.js" SCRIPT,
    "dom.js" SCRIPT,
    "api.js" SCRIPT,
    "load.js" SCRIPT,
    "login.js" SCRIPT,
    "live.js" SCRIPT,
    "chart.js" SCRIPT,
    "proof.js" SCRIPT,
    "note.js" SCRIPT,
    "msgpack.js" SCRIPT,
    "overview.js" SCRIPT,
    "windows.js" SCRIPT,
    "exchange.js" SCRIPT,
    "parties.js" SCRIPT,
    "ledger.js" SCRIPT,
    "operation.js" SCRIPT,
    "console.css" STYLE,
    "uplot.js" SCRIPT,
    "uplot.css" STYLE,
    "ed25519.js" SCRIPT,
    "licences.txt" TEXT,
];

/// A file as it is sent.
struct Asset {
    name: &'static str,
    media: &'static str,
    plain: Bytes,
    packed: Bytes,
    tag: String,
}

/// All files, compressed at the first request.
fn assets() -> &'static [Asset] {
    static ASSETS: OnceLock<Vec<Asset>> = OnceLock::new();
    ASSETS.get_or_init(|| {
        let made = FILES.iter().map(|(name, media, text)| {
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            // Into memory, which does not fail.
            let packed = packer.write_all(text.as_bytes()).and_then(|()| packer.finish()).unwrap_or_default();
            let tag = HEXLOWER.encode(&Sha256::digest(text.as_bytes())[..16]);
            Asset { name, media, plain: Bytes::from_static(text.as_bytes()), packed: packed.into(), tag }
        });
        made.collect()
    })
}

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let tag = "Console";
    vec![
        Endpoint::get(PATH, page).about(tag, "A page to look at the exchange with").text(200, "The page", "text/html"),
        Endpoint::get("/console/{file}", file)
            .about(tag, "Its files: scripts, style, licences")
            .path_param("file", "The file's name")
            .text(200, "The file", "text/javascript"),
    ]
}

async fn page(request: HttpRequest) -> Result<HttpResponse, Fault> {
    send(&request, FILES[0].0)
}

async fn file(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Fault> {
    send(&request, &name)
}

fn lists(request: &HttpRequest, name: actix_web::http::header::HeaderName, wanted: &str) -> bool {
    let values = request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|list| list.split(',')).any(|one| one.split(';').next().is_some_and(|one| one.trim() == wanted))
}

fn send(request: &HttpRequest, name: &str) -> Result<HttpResponse, Fault> {
    let asset = assets().iter().find(|asset| asset.name == name);
    let asset = asset.ok_or_else(|| Fault::not_found("the console has no file of this name"))?;
    let packs = lists(request, ACCEPT_ENCODING, "gzip");
    let tag = format!("\"{}{}\"", asset.tag, if packs { "-gz" } else { "" });
    let same = lists(request, IF_NONE_MATCH, &tag);
    let mut answer = if same { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((CONTENT_SECURITY_POLICY, POLICY));
    answer.insert_header((ETAG, tag)).insert_header((VARY, "Accept-Encoding"));
    // Kept, and asked again each time: the next build brings others under the same names.
    answer.insert_header((CACHE_CONTROL, "no-cache"));
    if same {
        return Ok(answer.finish());
    }
    answer.content_type(asset.media);
    if packs {
        answer.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(answer.body(if packs { asset.packed.clone() } else { asset.plain.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_the_page_loads_and_load_nothing_from_elsewhere() {
        for (name, _, text) in FILES {
            let own = !matches!(name, "uplot.js" | "ed25519.js" | "licences.txt");
            assert!(!own || !text.contains("https://"), "{name} names another server");
            for inline in [" style=\"", " onclick=", "<style", "javascript:", "innerHTML", "eval("] {
                assert!(!own || !text.contains(inline), "{name} has {inline:?}");
            }
            let imported = text.match_indices(" from \"./").map(|(at, found)| &text[at + found.len()..]);
            for rest in imported.filter(|_| own) {
                let wanted = rest.split('"').next().unwrap_or_default();
                assert!(FILES.iter().any(|(name, ..)| *name == wanted), "{name} imports {wanted}");
            }
        }
        let packed: usize = assets().iter().map(|asset| asset.packed.len()).sum();
        assert!(packed < 120_000, "{packed} bytes");
    }
}

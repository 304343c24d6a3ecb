//! The verbs' way to the exchange: an ordinary client of the protocol.

use std::future::Future;
use std::process::ExitCode;

use bytes::Bytes;
use serde_json::Value;

use crate::client::{Client, ClientError, ClientOptions, Order, keys};
use crate::domain::{Address, Id, Kind};
use crate::nats::Credentials;
use crate::wire::{OutcomeOut, Signer};

use super::args::Globals;
use super::fail::Failure;

/// A limit that every list takes for one page.
const SMALL_PAGE: u64 = 400;

/// Runs a verb that waits for the network.
///
/// # Errors
/// What the verb says, or [`Failure::Unavailable`] when no runtime can be made.
pub fn wait<T>(verb: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Unavailable(format!("no runtime can be started: {error}")))?;
    runtime.block_on(verb)
}

/// The signing key that `--key` names.
///
/// # Errors
/// [`Failure::Usage`] when none is named or the file holds none.
pub fn signer(globals: &Globals) -> Result<Signer, Failure> {
    let Some(path) = &globals.key else {
        return Err(Failure::Usage(
            "no signing key: name its file by --key FILE or DEX_KEY (`dex keys new FILE` makes one)".into(),
        ));
    };
    keys::load(path).map_err(|error| Failure::Usage(error.to_string()))
}

/// The party that speaks: `--as`, else whom the verb needs.
///
/// # Errors
/// [`Failure::Usage`] when neither is there.
pub fn speaker(globals: &Globals, usual: Option<Address>, who: &str) -> Result<Address, Failure> {
    globals
        .party
        .clone()
        .or(usual)
        .ok_or_else(|| Failure::Usage(format!("this is for {who}: say who speaks by --as, like --as operator:main")))
}

fn options(globals: &Globals, party: Address, signer: Option<Signer>) -> ClientOptions {
    let mut options = ClientOptions::new(globals.url.clone(), party);
    options.signer = signer;
    options.origin.clone_from(&globals.origin);
    options.call_deadline = globals.timeout;
    options.connect_deadline = globals.timeout;
    if let Some(path) = &globals.creds {
        options.credentials = Credentials::CredsFile(path.clone());
    }
    options
}

/// Connects as `party`, able to sign.
///
/// # Errors
/// [`Failure`] when there is no key, or no broker or daemon.
pub async fn connect(globals: &Globals, party: Address) -> Result<Client, Failure> {
    let signer = signer(globals)?;
    Ok(Client::connect(options(globals, party, Some(signer))).await?)
}

/// Connects to read and ask only.
///
/// # Errors
/// [`Failure`] when there is no broker or daemon.
pub async fn reader(globals: &Globals) -> Result<Client, Failure> {
    let nobody = || {
        let id = Id::new("dex-cli").expect("the text is an id");
        Address::new(Kind::Operator, id)
    };
    let party = globals.party.clone().unwrap_or_else(nobody);
    Ok(Client::connect(options(globals, party, None)).await?)
}

/// Asks the query `dex.v1.api.<call>`.
///
/// # Errors
/// [`Failure`] when it is answered with a problem, or not at all.
pub async fn ask(globals: &Globals, call: &str, body: &Value) -> Result<Value, Failure> {
    let client = reader(globals).await?;
    let body =
        serde_json::to_vec(body).map_err(|error| Failure::Usage(format!("the query cannot be written: {error}")))?;
    Ok(client.query(call, Bytes::from(body)).await?)
}

/// Asks a query that answers by pages until the last one, and shows each item; at most `limit`.
///
/// # Errors
/// [`Failure`] when a page is answered with a problem or not at all, or an item cannot be shown.
pub async fn pages(
    globals: &Globals,
    call: &str,
    mut question: Value,
    limit: u64,
    show: impl Fn(&Value) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    let client = reader(globals).await?;
    let mut left = limit;
    while left > 0 {
        // A page without a limit is as large as the exchange makes it.
        if left <= SMALL_PAGE {
            question["limit"] = left.into();
        }
        let answer = client.query(call, question.to_string().into_bytes()).await?;
        for item in answer["items"].as_array().into_iter().flatten() {
            if left == 0 {
                break;
            }
            show(item)?;
            left -= 1;
        }
        match answer.get("next") {
            Some(next) => question["after"] = next.clone(),
            None => break,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends `order` as `party` and waits for its first outcome.
///
/// # Errors
/// [`ClientError`] inside of the `Ok` when it was sent and refused or not answered, so that the caller
/// can show it; [`Failure`] when it could not be sent.
pub async fn send(globals: &Globals, party: Address, order: Order) -> Result<Result<OutcomeOut, ClientError>, Failure> {
    let client = connect(globals, party).await?;
    Ok(client.send(order).await)
}

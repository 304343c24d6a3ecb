//! The form of names and terms in bodies: lengths, characters, and what must agree within one body.

use smol_str::SmolStr;

use crate::domain::event::{DebitTerms, OfferTerms};
use crate::domain::job::{PlugSchedule, WAIT_SECONDS_MAX};
use crate::domain::notice::{self, Notice};
use crate::domain::pii::WITHOUT_PII;
use crate::domain::plug::JobReport;
use crate::domain::plug::health::JOBS_MAX;
use crate::domain::{Key, Kind, Transport};

use super::verify::is_weak;

/// Longest name, title or version, bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest purpose, reason or URL, bytes.
pub const TEXT_BYTES_MAX: usize = 256;
/// Longest description of what is asked for, bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 1024;
/// Longest namespace, bytes.
pub const NAMESPACE_BYTES_MAX: usize = 64;
/// Most namespaces of an app.
pub const NAMESPACES_MAX: usize = 32;
/// Most roles of an account.
pub const ROLES_MAX: usize = 64;
/// Most properties of a bundle, and most endpoints of one property.
pub const BUNDLE_PARTS_MAX: usize = 64;
/// Longest period of a debit in seconds: 100 years.
pub const PERIOD_SECONDS_MAX: u32 = 3_155_760_000;

/// Checks a name: 1 to [`NAME_BYTES_MAX`] bytes, no control characters.
///
/// # Errors
/// A sentence naming `field`.
pub fn name(field: &str, text: &str) -> Result<(), String> {
    sized(field, text, NAME_BYTES_MAX)
}

/// Checks a longer text: 1 to [`TEXT_BYTES_MAX`] bytes, no control characters.
///
/// # Errors
/// A sentence naming `field`.
pub fn text(field: &str, text: &str) -> Result<(), String> {
    sized(field, text, TEXT_BYTES_MAX)
}

fn sized(field: &str, text: &str, most: usize) -> Result<(), String> {
    if text.is_empty() || text.len() > most {
        return Err(format!("{field} has {} bytes, not 1 to {most}", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{field} holds a control character"));
    }
    Ok(())
}

/// Checks a notice: its text's length and characters (line breaks and tabs are well), the lists of its target.
///
/// # Errors
/// A sentence naming the field.
pub fn notice(of: &Notice) -> Result<(), String> {
    let bytes = of.message.len();
    if bytes == 0 || bytes > notice::MESSAGE_BYTES_MAX {
        return Err(format!("message has {bytes} bytes, not 1 to {}", notice::MESSAGE_BYTES_MAX));
    }
    if of.message.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("message holds a control character".to_owned());
    }
    let target = &of.target;
    let lists = [
        ("target.withAnyRole", target.with_any_role.len(), notice::ROLES_MAX),
        ("target.withAllRoles", target.with_all_roles.len(), notice::ROLES_MAX),
        ("target.withEmail", target.with_email.len(), notice::EMAILS_MAX),
        ("target.withHatAddress", target.with_hat_address.len(), notice::HATS_MAX),
    ];
    if let Some((field, has, most)) = lists.into_iter().find(|(_, has, most)| has > most) {
        return Err(format!("{field} has {has} elements, more than {most}"));
    }
    target.with_any_role.iter().try_for_each(|role| name("an element of target.withAnyRole", role))?;
    target.with_all_roles.iter().try_for_each(|role| name("an element of target.withAllRoles", role))?;
    target.with_email.iter().try_for_each(|email| {
        text("an element of target.withEmail", email)?;
        if email.contains('@') { Ok(()) } else { Err("an element of target.withEmail has no @".to_owned()) }
    })
}

/// Checks a namespace: the first part of endpoints, `[0-9a-z-]`, 1 to [`NAMESPACE_BYTES_MAX`] bytes.
///
/// # Errors
/// A sentence naming `field`.
pub fn namespace(field: &str, text: &str) -> Result<(), String> {
    let allowed = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'-');
    if text.is_empty() || text.len() > NAMESPACE_BYTES_MAX || !text.bytes().all(allowed) {
        return Err(format!("{field} is not 1 to {NAMESPACE_BYTES_MAX} of 0-9, a-z and '-'"));
    }
    Ok(())
}

/// Checks a plug's report of its jobs.
///
/// # Errors
/// A sentence that names the field.
pub fn jobs(said: &JobReport) -> Result<(), String> {
    if !(1..=JOBS_MAX).contains(&said.done.saturating_add(said.failed)) {
        return Err(format!("done and failed are not together 1 to {JOBS_MAX}"));
    }
    said.error.as_ref().map_or(Ok(()), |error| text("error", error))
}

/// Checks what is to hold for all jobs of a plug.
///
/// # Errors
/// A sentence when it says nothing.
pub fn schedule(said: &PlugSchedule) -> Result<(), String> {
    match said {
        PlugSchedule { pause: None, hold_seconds: None, .. } => {
            Err("neither pause nor holdSeconds is there".to_owned())
        }
        PlugSchedule { hold_seconds: Some(seconds), .. } if *seconds > WAIT_SECONDS_MAX => {
            Err(format!("holdSeconds is not 0 to {WAIT_SECONDS_MAX}"))
        }
        _ => Ok(()),
    }
}

/// Checks a key that is to be registered.
///
/// # Errors
/// A sentence when the key is weak.
pub fn key(key: &Key) -> Result<(), String> {
    if is_weak(key) {
        return Err(
            "key is not a usable Ed25519 public key (not on the curve, not canonical, or of small order)".into()
        );
    }
    Ok(())
}

/// Checks that a HAT which speaks only HTTP has what it takes to be carried to and from.
///
/// # Errors
/// A sentence when it lacks something.
pub fn carried(transport: Transport, carried: bool) -> Result<(), String> {
    if transport == Transport::Http && !carried {
        return Err(
            "transport \"http\" needs a publicKey to check the HAT's tokens by and a bridge that carries".into()
        );
    }
    Ok(())
}

/// Checks an account of a gateway and its roles.
///
/// # Errors
/// A sentence naming the field.
pub fn account(account: &str, roles: &[SmolStr]) -> Result<(), String> {
    name("account", account)?;
    if roles.len() > ROLES_MAX {
        return Err(format!("roles has {} elements, not at most {ROLES_MAX}", roles.len()));
    }
    roles.iter().try_for_each(|role| text("an element of roles", role))
}

/// Checks the terms of a debit.
///
/// # Errors
/// A sentence naming the field.
pub fn debit(terms: &DebitTerms) -> Result<(), String> {
    if !matches!(terms.client.kind, Kind::Org | Kind::App | Kind::Hat) {
        return Err("client is neither an org, an app nor a hat".into());
    }
    text("purpose", &terms.purpose)?;
    if !(1..=PERIOD_SECONDS_MAX).contains(&terms.period_seconds) {
        return Err(format!("periodSeconds is not 1 to {PERIOD_SECONDS_MAX}"));
    }
    let texts = [
        ("termsUrl", &terms.terms_url, TEXT_BYTES_MAX),
        ("requestClientName", &terms.request_client_name, NAME_BYTES_MAX),
        ("requestClientUrl", &terms.request_client_url, TEXT_BYTES_MAX),
        ("requestClientLogoUrl", &terms.request_client_logo_url, TEXT_BYTES_MAX),
        ("requestApplicationId", &terms.request_application_id, NAME_BYTES_MAX),
        ("requestDescription", &terms.request_description, DESCRIPTION_BYTES_MAX),
    ];
    for (field, value, most) in texts {
        value.as_deref().map_or(Ok(()), |value| sized(field, value, most))?;
    }
    let granted = terms.classes.filter(|classes| terms.without_pii && !classes.within(WITHOUT_PII));
    if granted.is_some() {
        return Err("classes: a debit without personal data (withoutPii) grants none and quasi at the most".to_owned());
    }
    Ok(())
}

/// Fields of the HAT's own formats that are not taken, each with why and what to do instead.
const NOT_TAKEN: [(&str, &str); 1] = [(
    "requestClientCallbackUrl",
    "no HAT keeps it, and nobody is called back: what is released comes to the client's own inbox, \
     dex.v1.out.<kind>.<client>.delivery.<debit>",
)];

/// Why a field that serde does not know is refused, when it is one that others know.
pub fn not_taken(error: &str) -> Option<String> {
    let named = NOT_TAKEN.iter().find(|(field, _)| error.contains(&format!("unknown field `{field}`")))?;
    Some(format!("{} is not taken: {}", named.0, named.1))
}

/// Checks what may not stand in the terms of a debit that a client proposes itself.
///
/// # Errors
/// A sentence naming the field.
pub fn own_debit(terms: &DebitTerms) -> Result<(), String> {
    if terms.without_pii {
        return Err("withoutPii stands only in the debit of an offer: who proposes a debit knows the HAT".to_owned());
    }
    Ok(())
}

/// Checks the terms of an offer.
///
/// # Errors
/// A sentence naming the field.
pub fn offer(terms: &OfferTerms) -> Result<(), String> {
    if terms.owner.kind != Kind::Org {
        return Err("owner is not an org".into());
    }
    name("title", &terms.title)?;
    if terms.starts >= terms.expires {
        return Err("expires is not after starts".into());
    }
    if terms.max_claims == 0 || terms.min_claims > terms.max_claims {
        return Err("maxClaims is 0 or less than minClaims".into());
    }
    if terms.debit.client != terms.owner {
        return Err("debit.client is not the offer's owner".into());
    }
    debit(&terms.debit).map_err(|e| format!("debit: {e}"))
}

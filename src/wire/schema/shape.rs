//! The shapes that bodies have: schema and example of each.

use serde_json::{Value, json};

use crate::domain::exchange::pull::{PULL_RECORDS_MAX, PULL_SKIP_MAX};
use crate::domain::notice;
use crate::domain::pii::Class;
use crate::domain::plug::health::{ERROR_BYTES_MAX, JOBS_MAX};
use crate::domain::report::{EVENTS_MAX, StatsKind};
use crate::wire::Signer;
use crate::wire::form::{NAMESPACES_MAX, ROLES_MAX};

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Empty.
    Nothing,
    /// Records of a HAT.
    Records,
    /// A receipt.
    Receipt,
    /// Events that a HAT reports.
    Report,
    /// How jobs of a plug ended.
    Jobs,
    /// How one job goes on.
    Job,
    /// What holds for all jobs of a plug.
    Schedule,
    /// Which records a client wants.
    Pull,
    /// A key.
    Key,
    /// Keys of a HAT, and how it is spoken to.
    HatKeys,
    /// An RSA public key.
    Pin,
    /// How a HAT is spoken to.
    Entrust,
    /// Roles of an account.
    Account,
    /// Of what class the fields of an endpoint are.
    Classify,
    /// Classes of personal data.
    Allow,
    /// A text, and for whom it is.
    Notice,
    /// A key and a name.
    KeyName,
    /// What a plug says of itself.
    Plug,
    /// What an app says of itself.
    App,
    /// A key and an app's manifest.
    Manifest,
    /// A key, and the version that it brought.
    Publish,
    /// A key, and why not.
    Decline,
    /// Which version of an app is accepted.
    Version,
    /// A key and an instant.
    Revoke,
    /// Which revision of a debit is accepted.
    Enable,
    /// When a debit ends.
    Disable,
    /// Terms of a debit.
    Debit,
    /// Terms of an offer.
    Offer,
    /// A HAT and its claim.
    Hat,
    Reserve,
    /// A HAT's claim that is over.
    Over,
    /// A claim.
    Claim,
    /// Terms of a debit, in a field.
    Terms,
    /// What the owner of an offer asks a HAT for.
    PullAsked,
}

pub(super) fn object(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

pub(super) fn version() -> Value {
    json!({"type": "string", "maxLength": 128, "description": "of an app's manifest, like 1.4.0"})
}

/// A plug's manifest, as short as one can be.
fn plug_example() -> Value {
    json!({
        "description": "Reads a person's own posts into their HAT.",
        "url": "https://facebook.plug.example",
        "endpoints": [{"name": "feed", "fields": {"from.name": "direct", "message": "special"}}],
    })
}

/// A whole manifest, as short as one can be.
pub(super) fn manifest_example() -> Value {
    let picture = || json!({"normal": "https://notables.example/logo.png"});
    json!({
        "id": "notables",
        "kind": {"kind": "App", "url": "https://notables.example"},
        "info": {
            "version": "1.1.4", "name": "Notables", "headline": "Notes that are yours",
            "description": {"text": "Write notes and keep them in your HAT."},
            "termsUrl": "https://notables.example/terms", "dataUsePurpose": "To show your notes",
            "supportContact": "help@notables.example",
            "graphics": {"banner": picture(), "logo": picture(), "screenshots": []},
        },
        "developer": {"id": "makers", "name": "Makers of notes", "url": "https://makers.example"},
        "permissions": {"rolesGranted": [{"role": "namespacewrite", "detail": "rumpel"}]},
        "setup": {"kind": "External", "url": "https://notables.example", "validRedirectUris": []},
        "status": {"kind": "Internal", "compatibility": "1.0.0", "versionReleaseDate": "2026-01-02T03:04:05Z"},
    })
}

pub(super) fn key() -> Value {
    json!({"type": "string", "pattern": "^U[A-Z2-7]{55}$", "description": "a public user nkey"})
}

pub(super) fn pin() -> Value {
    json!({
        "type": "string",
        "maxLength": crate::domain::pin::PIN_BYTES_MAX,
        "description": "an RSA public key of 2048 to 8192 bits in PEM (SubjectPublicKeyInfo)",
    })
}

pub(super) fn text(most: usize) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": most})
}

fn target() -> Value {
    let texts = |most: usize, each: Value| json!({"type": "array", "maxItems": most, "items": each});
    object(
        &[],
        json!({
            "withAnyRole": texts(notice::ROLES_MAX, text(128)),
            "withAllRoles": texts(notice::ROLES_MAX, text(128)),
            "withEmail": texts(notice::EMAILS_MAX, text(256)),
            "withHatAddress": texts(notice::HATS_MAX, id()),
        }),
    )
}

pub(super) fn time() -> Value {
    json!({"type": "string", "format": "date-time", "description": "RFC 3339, UTC"})
}

pub(super) fn id() -> Value {
    json!({"type": "string", "pattern": "^[a-z0-9-][a-z0-9.-]{0,126}[a-z0-9-]$|^[a-z0-9-]$"})
}

fn digest() -> Value {
    json!({"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of the body"})
}

pub(super) fn uuid() -> Value {
    json!({"type": "string", "format": "uuid", "description": "the claim's Dex-Id"})
}

/// The claim of examples.
pub(super) const CLAIM: &str = "0190a0b0-0000-7000-8000-000000000001";

pub(super) fn address(kinds: &str) -> Value {
    json!({"type": "string", "pattern": format!("^({kinds}):[a-z0-9.-]{{1,128}}$")})
}

pub(super) fn namespace() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 64, "description": "the first element of its endpoints"})
}

pub(super) fn debit() -> Value {
    let bundle = super::bundle::bundle();
    let mut conditions = bundle.clone();
    conditions["description"] = json!("what must be found on the HAT, which looks before it releases");
    object(
        &["client", "purpose", "bundle", "periodSeconds"],
        json!({
            "client": address("org|app|hat"),
            "purpose": text(256),
            "bundle": bundle,
            "start": time(),
            "periodSeconds": {"type": "integer", "minimum": 1, "maximum": 3_155_760_000_u64},
            "cancelAtPeriodEnd": {"type": "boolean", "description": "ends after one period"},
            "termsUrl": text(256),
            "requestClientName": text(128),
            "requestClientUrl": text(256),
            "requestClientLogoUrl": text(256),
            "requestApplicationId": text(128),
            "requestDescription": text(1024),
            "conditions": conditions,
            "classes": classes("that are granted, none always; what the bundle names when absent"),
            "withoutPii": {"type": "boolean", "description": "only in an offer: the client is not to know whose data it is"},
        }),
    )
}

/// A set of classes of personal data.
pub(super) fn classes(what: &str) -> Value {
    json!({"type": "array", "items": class(), "description": format!("classes of personal data {what}")})
}

pub(super) fn class() -> Value {
    json!({"enum": Class::ALL.map(Class::as_str)})
}

/// Of what class the fields of an endpoint are.
fn classify() -> Value {
    let description = text(1024);
    let field = object(&[], json!({"class": class(), "description": description}));
    object(
        &["endpoint"],
        json!({
            "endpoint": text(256),
            "class": class(),
            "description": description,
            "fields": {"type": "object", "maxProperties": 256, "additionalProperties": field},
        }),
    )
}

fn debit_example() -> Value {
    json!({
        "client": "org:acme",
        "purpose": "A study of steps",
        "bundle": {"name": "steps", "bundle": {"steps": {"endpoints": [{"endpoint": "fitbit/steps"}]}}},
        "periodSeconds": 2_592_000,
    })
}

pub(super) fn key_example() -> Value {
    // Anybody can make it: for the look of it only.
    json!(Signer::from_seed(&[1; 32]).public())
}

/// Made for the look of it: nobody has its private half.
const PIN_EXAMPLE: &str = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0vaa1oM5UWVA65eAmOSx\n0Xdr924x85IF6u95cJDU7heZJmZr6WDG062A1btpD4rbLEcL4UdE0mkD4xdlifOd\nv6Ss5ilyvjqkRO3MNXzcsVzRKC8O/p2ZXC8u3JhPgxcaYAeDP2ypmf8kQaqkS1p/\ncuujbFyjNlIGTT8JuXoayhYQK6NCSI+4VEUtSVKGtQcUVG9zg7XVE5SaaJuDGXPe\nzlQp69D00bM7jrqT9oEgELdPBSibBUXe+fcF+kZnb+H+iecrNAygxfryqW5PAsFt\nzX5Hs29MWjS/EZpGEg0VEfvWHIKGJssXDXMSlTPAN91ymQV1H0MKUt8qQZuZ4vv4\nYwIDAQAB\n-----END PUBLIC KEY-----\n";

impl Shape {
    /// Its JSON Schema; `None` for no body.
    pub fn schema(self) -> Option<Value> {
        Some(match self {
            Shape::Nothing => return None,
            Shape::Records => {
                let record = json!({
                    "type": "object",
                    "required": ["endpoint", "data"],
                    "properties": {"endpoint": text(256), "data": {"type": "object"}},
                });
                json!({
                    "type": ["array", "object"], "items": record,
                    "description": "an array of records, or one; for a credit or release also {\"object\": …}: a reference to large content",
                })
            }
            Shape::Report => json!({
                "type": "array",
                "maxItems": EVENTS_MAX,
                "items": {
                    "type": "object",
                    "required": ["statsType"],
                    "properties": {"statsType": {"enum": StatsKind::ALL.map(StatsKind::as_str)}},
                },
                "description": "events in the form in which HATs report them",
            }),
            Shape::Receipt => object(
                &["delivery", "digest", "count", "verdict"],
                json!({
                    "delivery": {"type": "string", "format": "uuid"},
                    "digest": digest(),
                    "count": {"type": "integer", "minimum": 0, "description": "records"},
                    "verdict": {"enum": ["accepted", "refused", "returned"]},
                    "reason": text(256),
                }),
            ),
            Shape::Jobs => {
                let jobs =
                    |what: &str| json!({"type": "integer", "minimum": 0, "maximum": JOBS_MAX, "description": what});
                let mut schema = object(
                    &[],
                    json!({
                        "done": jobs("jobs that were done since the report before"),
                        "failed": jobs("jobs that failed; both together 1 at least"),
                        "lagSeconds": {"type": "integer", "minimum": 0, "maximum": u32::MAX, "description": "behind the source"},
                        "error": text(ERROR_BYTES_MAX),
                    }),
                );
                schema["anyOf"] = json!([{"required": ["done"]}, {"required": ["failed"]}]);
                schema
            }
            Shape::Job => super::job::word(),
            Shape::Schedule => super::job::schedule(),
            Shape::Pull => object(
                &[],
                json!({
                    "since": time(),
                    "skip": {"type": "integer", "minimum": 0, "maximum": PULL_SKIP_MAX},
                    "limit": {"type": "integer", "minimum": 1, "maximum": PULL_RECORDS_MAX},
                }),
            ),
            Shape::Key => object(&["key"], json!({"key": key()})),
            Shape::HatKeys => {
                let mut schema = object(
                    &[],
                    json!({
                        "key": key(),
                        "publicKey": pin(),
                        "transport": {"enum": ["nats", "http"], "description": "nats when absent; http needs publicKey and bridge"},
                        "bridge": id(),
                    }),
                );
                schema["anyOf"] = json!([{"required": ["key"]}, {"required": ["publicKey"]}]);
                schema
            }
            Shape::Pin => object(&["publicKey"], json!({"publicKey": pin()})),
            Shape::Entrust => object(
                &["transport"],
                json!({"transport": {"enum": ["nats", "http"], "description": "http needs a bridge"}, "bridge": id()}),
            ),
            Shape::Notice => object(
                &["message"],
                json!({"message": text(notice::MESSAGE_BYTES_MAX), "target": target(), "expires": time()}),
            ),
            Shape::Classify => classify(),
            Shape::Allow => {
                object(&[], json!({"classes": classes("that it may ever be given, none always; any when absent")}))
            }
            Shape::Account => object(
                &["account", "roles", "approved"],
                json!({
                    "account": text(128),
                    "roles": {"type": "array", "maxItems": ROLES_MAX, "items": text(256)},
                    "approved": {"type": "boolean"},
                }),
            ),
            Shape::KeyName => object(&["key", "name"], json!({"key": key(), "name": text(128)})),
            Shape::Plug => object(
                &["key", "name", "namespace"],
                json!({"key": key(), "name": text(128), "namespace": namespace(), "manifest": {"type": "object"}}),
            ),
            Shape::App => object(
                &["key", "name", "version", "namespaces"],
                json!({
                    "key": key(),
                    "name": text(128),
                    "version": text(128),
                    "namespaces": {"type": "array", "maxItems": NAMESPACES_MAX, "items": namespace()},
                }),
            ),
            Shape::Manifest => object(&["key", "manifest"], json!({"key": key(), "manifest": {"type": "object"}})),
            Shape::Publish => object(&["key"], json!({"key": key(), "version": version()})),
            Shape::Decline => object(&["key", "why"], json!({"key": key(), "why": text(256)})),
            Shape::Version => object(&[], json!({"version": version()})),
            Shape::Revoke => object(&["key", "since"], json!({"key": key(), "since": time()})),
            Shape::Enable => object(&[], json!({"revision": {"type": "integer", "minimum": 0, "maximum": u32::MAX}})),
            Shape::Disable => {
                object(&[], json!({"atPeriodEnd": {"type": "boolean", "description": "false or absent: at once"}}))
            }
            Shape::Debit => debit(),
            Shape::Offer => object(
                &["owner", "title", "starts", "expires", "maxClaims", "minClaims", "debit"],
                json!({
                    "owner": address("org"),
                    "title": text(128),
                    "starts": time(),
                    "expires": time(),
                    "maxClaims": {"type": "integer", "minimum": 1, "maximum": 100_000},
                    "minClaims": {"type": "integer", "minimum": 0, "maximum": 100_000},
                    "debit": debit(),
                }),
            ),
            Shape::Hat => object(&["hat"], json!({"hat": id(), "claim": uuid()})),
            Shape::Reserve => object(&["hat"], json!({"hat": id(), "claim": uuid(), "by": address("org")})),
            Shape::Over => object(
                &["hat"],
                json!({
                    "hat": id(),
                    "claim": uuid(),
                    "completed": {"type": "boolean", "description": "its debit ran to its end; else it was given back"},
                }),
            ),
            Shape::Claim => object(&[], json!({"claim": uuid()})),
            Shape::Terms => object(&["terms"], json!({"terms": debit(), "claim": uuid(), "until": time()})),
            Shape::PullAsked => object(
                &["pull", "by", "digest", "deadline"],
                json!({
                    "pull": uuid(), "by": address("org"), "digest": digest(), "deadline": time(), "ask": Shape::Pull.schema(),
                }),
            ),
        })
    }

    /// A body of this shape; `None` for no body.
    pub fn example(self) -> Option<Value> {
        Some(match self {
            Shape::Nothing => return None,
            Shape::Records => json!([{"endpoint": "fitbit/steps", "data": {"steps": 8421, "day": "2026-01-31"}}]),
            Shape::Report => json!([{
                "statsType": "inbound",
                "time": "2026-01-31T12:00:00+0000",
                "stats": [{"endpoint": "fitbit/steps", "propertyStats": {"steps": 1, "day": 1}}],
                "logEntry": "saved batch for fitbit/steps",
            }]),
            Shape::Receipt => json!({
                "delivery": "0190a0b0-0000-8000-8000-000000000001",
                "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "count": 1,
                "verdict": "accepted",
            }),
            Shape::Jobs => {
                json!({"done": 118, "failed": 2, "lagSeconds": 840, "error": "the source is over its limit"})
            }
            Shape::Job => super::job::word_example(),
            Shape::Schedule => json!({"pause": false, "holdSeconds": 3600}),
            Shape::Pull => json!({"since": "2026-01-01T00:00:00Z", "limit": 500}),
            Shape::Key => json!({"key": key_example()}),
            // A HAT with either key alone is taken too.
            Shape::HatKeys => json!({"key": key_example(), "publicKey": PIN_EXAMPLE, "bridge": "hubat.net"}),
            Shape::Pin => json!({"publicKey": PIN_EXAMPLE}),
            Shape::Entrust => json!({"transport": "nats", "bridge": "hubat.net"}),
            Shape::Notice => json!({
                "message": "Facebook is read again from today.",
                "target": {"withAnyRole": ["plug:facebook"], "withHatAddress": ["bob.hubat.net"]},
                "expires": "2026-02-28T00:00:00Z",
            }),
            Shape::Account => json!({"account": "acme", "roles": ["createDataOffers"], "approved": true}),
            Shape::Classify => json!({
                "endpoint": "facebook/feed",
                "class": "direct",
                "description": "Posts on a person's own wall",
                "fields": {"created_time": {"class": "quasi", "description": "when it was posted"}},
            }),
            Shape::Allow => json!({"classes": ["none", "quasi"]}),
            Shape::KeyName => json!({"key": key_example(), "name": "Acme Research"}),
            Shape::Plug => json!({
                "key": key_example(),
                "name": "Facebook plug",
                "namespace": "facebook",
                "manifest": plug_example(),
            }),
            Shape::App => {
                json!({"key": key_example(), "name": "Notables", "version": "1.0.0", "namespaces": ["rumpel"]})
            }
            Shape::Manifest => json!({"key": key_example(), "manifest": manifest_example()}),
            Shape::Publish => json!({"key": key_example(), "version": "1.1.4"}),
            Shape::Decline => json!({"key": key_example(), "why": "the privacy policy cannot be reached"}),
            Shape::Version => json!({"version": "1.1.4"}),
            Shape::Revoke => json!({"key": key_example(), "since": "2026-01-31T12:00:00Z"}),
            Shape::Enable => json!({"revision": 2}),
            Shape::Disable => json!({"atPeriodEnd": true}),
            Shape::Debit => debit_example(),
            Shape::Offer => json!({
                "owner": "org:acme",
                "title": "Steps for science",
                "starts": "2026-01-01T00:00:00Z",
                "expires": "2026-12-31T00:00:00Z",
                "maxClaims": 1000,
                "minClaims": 100,
                "debit": debit_example(),
            }),
            Shape::Hat => json!({"hat": "bob.hubat.net", "claim": CLAIM}),
            Shape::Reserve => json!({"hat": "bob.hubat.net", "claim": CLAIM, "by": "org:acme"}),
            Shape::Over => json!({"hat": "bob.hubat.net", "claim": CLAIM, "completed": true}),
            Shape::Claim => json!({"claim": CLAIM}),
            Shape::PullAsked => json!({
                "pull": CLAIM, "by": "org:acme", "digest": "00".repeat(32), "deadline": "2026-02-01T00:00:00Z",
            }),
            Shape::Terms => json!({"terms": debit_example(), "claim": CLAIM, "until": "2026-02-01T00:00:00Z"}),
        })
    }
}

//! Tokens of HATs: RS256 JWTs, checked against the key that the HAT's registration pins. Nothing else is taken.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::fault::Fault;
use crate::domain::Id;

/// Longest token, bytes. Those of HATs have about 700.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// The scope that a HAT gives to services such as this one.
const SCOPE: &str = "validate";

/// What every token must meet.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Host names under which this exchange is known: a token is for one of them.
    pub resources: Vec<String>,
    /// How far clocks may differ, seconds.
    pub skew: u64,
    /// Longest time since a token was issued, seconds.
    pub age_max: u64,
}

/// A token that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HatToken {
    /// Who issued it: the caller.
    pub hat: Id,
    /// The token's own id, when it has one.
    pub jti: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    iss: String,
    exp: u64,
    iat: u64,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default)]
    jti: Option<String>,
    resource: String,
    access_scope: String,
    #[serde(default)]
    application: Option<String>,
}

fn bad(what: &str) -> Fault {
    Fault::unauthorized(format!("the HAT's token was not taken: {what}"))
}

/// Who a token says that it is from, before anything of it is checked: says only whose key to fetch.
///
/// # Errors
/// 401 when it is too long, no JWT, not RS256, or names no HAT.
pub fn issuer(token: &str) -> Result<Id, Fault> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(bad("it is too long"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| bad("it is no JWT"))?;
    // The one algorithm is written here, not read off the token: neither `none` nor HS256 with the public key as
    // secret can be asked for.
    if header.alg != Algorithm::RS256 {
        return Err(bad("it is not signed by RS256"));
    }
    let payload = token.split('.').nth(1).unwrap_or_default();
    let payload = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).map_err(|_| bad("it is no JWT"))?;
    let claims: Claims = serde_json::from_slice(&payload)
        .map_err(|_| bad("iss, iat, exp, resource or accessScope is missing or of another type"))?;
    Id::new(&claims.iss).map_err(|_| bad("its issuer is no address of a HAT"))
}

/// The host of a resource: a URL, `host:port`, or a host.
fn host(resource: &str) -> &str {
    let rest = resource.split_once("://").map_or(resource, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Checks a token of `hat` against its pinned key.
///
/// # Errors
/// 401 that says which check failed.
pub fn check(token: &str, hat: &Id, pem: &str, rules: &Rules, now: u64) -> Result<HatToken, Fault> {
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| bad("the key pinned for it is no RSA key"))?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.algorithms = vec![Algorithm::RS256];
    validation.set_issuer(&[hat.as_str()]);
    validation.set_required_spec_claims(&["exp", "iss"]);
    // Times are held against the clock that is given, below; `resource` takes the place of `aud`.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|error| {
            bad(match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => {
                    "its signature does not fit the key pinned for its issuer"
                }
                jsonwebtoken::errors::ErrorKind::InvalidIssuer => "it is from another issuer",
                _ => "it cannot be read",
            })
        })?
        .claims;
    if now >= claims.exp.saturating_add(rules.skew) {
        return Err(bad("it has expired"));
    }
    if claims.iat > now.saturating_add(rules.skew) || claims.nbf.is_some_and(|from| from > now + rules.skew) {
        return Err(bad("it is from the future"));
    }
    if now.saturating_sub(claims.iat) > rules.age_max.saturating_add(rules.skew) {
        return Err(bad("it was issued too long ago"));
    }
    let resource = host(&claims.resource);
    if !rules.resources.iter().any(|known| known.eq_ignore_ascii_case(resource)) {
        return Err(bad("its resource is another service"));
    }
    if claims.access_scope != SCOPE {
        return Err(bad("its accessScope is not validate"));
    }
    if claims.application.is_some() {
        return Err(bad("it is an application's token: those are for the HAT itself"));
    }
    Ok(HatToken { hat: hat.clone(), jti: claims.jti })
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const PEM: &str = include_str!("../../tests/data/hat.pem");
    const PUBLIC: &str = include_str!("../../tests/data/hat.pub.pem");
    const OTHER: &str = include_str!("../../tests/data/other-hat.pem");

    fn rules() -> Rules {
        Rules { resources: vec!["dex.test".into()], skew: 30, age_max: 3 * 86_400 }
    }

    fn claims() -> Value {
        json!({
            "iss": "bob.hubat.net", "sub": "x", "iat": NOW, "exp": NOW + 86_400, "jti": "1",
            "resource": "https://dex.test", "accessScope": "validate",
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn signed(claims: &Value, pem: &str) -> String {
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a key");
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).expect("signed")
    }

    /// As a request is checked: whose key, then the token.
    fn take(token: &str) -> Result<HatToken, Fault> {
        let hat = issuer(token)?;
        // Only Bob is registered, with this key.
        if hat.as_str() != "bob.hubat.net" {
            return Err(bad("unregistered"));
        }
        check(token, &hat, PUBLIC, &rules(), NOW)
    }

    #[test]
    fn a_good_token_is_taken() {
        let token = take(&signed(&claims(), PEM)).expect("good");
        assert_eq!((token.hat.as_str(), token.jti.as_deref()), ("bob.hubat.net", Some("1")));
        take(&signed(&with("iat", json!(NOW + 29)), PEM)).expect("within the skew");
        take(&signed(&with("exp", json!(NOW - 29)), PEM)).expect("within the skew");
    }

    #[test]
    fn every_other_token_is_refused() {
        let good = signed(&claims(), PEM);
        let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let none = encode(&json!({"alg": "none", "typ": "JWT"}));
        let public = EncodingKey::from_secret(PUBLIC.as_bytes());
        let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &public).expect("signed");
        let [_, _, hmac] = confused.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let stolen = encode(&with("iss", json!("eve.hubat.net")));
        let own = json!({"alg": "RS256", "jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "jku": "https://evil.test"});
        let bad: Vec<(&str, String)> = vec![
            ("another key", signed(&claims(), OTHER)),
            ("a key of its own in the header", format!("{}.{payload}.{signature}", encode(&own))),
            ("alg none", format!("{none}.{payload}.")),
            ("alg none with a signature", format!("{none}.{payload}.{signature}")),
            ("HS256 with the public key", confused.clone()),
            ("RS256 said of an HMAC", format!("{header}.{payload}.{hmac}")),
            ("expired", signed(&with("exp", json!(NOW - 31)), PEM)),
            ("from the future", signed(&with("iat", json!(NOW + 31)), PEM)),
            ("not yet", signed(&with("nbf", json!(NOW + 31)), PEM)),
            ("too old though not expired", signed(&with("iat", json!(NOW - 3 * 86_400 - 31)), PEM)),
            ("another resource", signed(&with("resource", json!("https://other.test")), PEM)),
            ("a resource that begins like ours", signed(&with("resource", json!("https://dex.test.evil.test")), PEM)),
            ("a resource with ours in its path", signed(&with("resource", json!("https://evil.test/dex.test")), PEM)),
            ("a resource with ours as its user", signed(&with("resource", json!("https://dex.test@evil.test")), PEM)),
            ("the HAT's own dashboard", signed(&with("resource", json!("bob.hubat.net")), PEM)),
            ("no resource", signed(&with("resource", Value::Null), PEM)),
            ("the owner's scope", signed(&with("accessScope", json!("owner")), PEM)),
            ("an application's", signed(&with("application", json!("notables")), PEM)),
            ("no expiry", signed(&with("exp", Value::Null), PEM)),
            ("an expiry that is text", signed(&with("exp", json!("never")), PEM)),
            ("a negative time", signed(&with("iat", json!(-1)), PEM)),
            ("another issuer", signed(&with("iss", json!("eve.hubat.net")), OTHER)),
            ("no HAT's issuer", signed(&with("iss", json!("https://bob.hubat.net/")), PEM)),
            ("an issuer put in afterwards", format!("{header}.{stolen}.{signature}")),
            ("a changed payload", format!("{header}.{}.{signature}", encode(&with("exp", json!(NOW + 999_999))))),
            ("truncated", good[..good.len() - 3].to_owned()),
            ("without signature", format!("{header}.{payload}.")),
            ("two parts", format!("{header}.{payload}")),
            ("four parts", format!("{good}.x")),
            ("nothing", String::new()),
            ("oversized", signed(&with("sub", json!("x".repeat(TOKEN_BYTES_MAX))), PEM)),
        ];
        for (what, token) in bad {
            let fault = take(&token).expect_err(what);
            assert_eq!(fault.problem.status, 401, "{what}");
        }
    }

    #[test]
    fn a_resource_is_compared_by_its_host() {
        for (resource, expected) in [
            ("https://dex.test", "dex.test"),
            ("https://dex.test:8443/api?x", "dex.test"),
            ("dex.test", "dex.test"),
            ("https://evil.test/dex.test", "evil.test"),
            ("https://dex.test.evil.test", "dex.test.evil.test"),
            ("https://dex.test@evil.test/", "dex.test@evil.test"),
        ] {
            assert_eq!(host(resource), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(token in "[A-Za-z0-9_.-]{0,300}") {
            let _ = take(&token);
        }
    }
}

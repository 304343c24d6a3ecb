//! The original's push of an application's details into HATs. Those HATs kept them in a table of their own; a HAT of
//! today reads manifests. So what its owner is to know reaches the same HATs as a notice.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{once, repeatable};
use crate::domain::Id;
use crate::domain::notice::{HATS_MAX, Notice, Target};
use crate::gateway::Gateway;
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::{Fault, Original};
use crate::gateway::link::{self, Link, Speaker};
use crate::gateway::rest::login::read;
use crate::gateway::role::Role;

/// HATs asked for at once.
const PAGE: usize = 1000;
/// Longest text of each field, bytes: together they fit into a notice.
const TEXT_BYTES_MAX: usize = 1024;

/// Its call.
pub fn endpoints() -> Vec<Endpoint> {
    let text = json!({ "type": "string", "maxLength": TEXT_BYTES_MAX });
    let flag = json!({ "type": "boolean" });
    let body = json!({
        "type": "object",
        "required": ["title", "namespace", "description", "logoUrl", "url", "authUrl", "browser", "category", "setup",
            "loginAvailable"],
        "properties": {
            "title": text, "namespace": text, "description": text, "logoUrl": text, "url": text, "authUrl": text,
            "browser": flag, "category": { "enum": ["app", "dataplug"] }, "setup": flag, "loginAvailable": flag,
        },
    });
    let push = Endpoint::post("/api/users/update-application", push)
        .about("Original: HATs", "Tells the owners of some HATs about an application")
        .access(Access::Role(Role::Master))
        .original()
        .query("cluster", false, "The HATs of this domain", json!({ "type": "string" }))
        .query("hatFilter", false, "Those whose address has this in it", json!({ "type": "string" }))
        .body(body)
        .answer(200, "How many HATs are meant, and the notice's id", json!({ "type": "object" }));
    vec![repeatable(push)]
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Category {
    App,
    DataPlug,
}

/// The original's object, all fields of it. What an owner cannot use is read and not told.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HatService {
    title: String,
    namespace: String,
    description: String,
    logo_url: String,
    url: String,
    auth_url: String,
    #[serde(rename = "browser")]
    _browser: bool,
    category: Category,
    #[serde(rename = "setup")]
    _setup: bool,
    #[serde(rename = "loginAvailable")]
    _login_available: bool,
}

impl HatService {
    /// What the owner reads.
    ///
    /// # Errors
    /// 400 that names the field.
    fn text(&self) -> Result<String, Fault> {
        let fields = [
            ("title", &self.title),
            ("namespace", &self.namespace),
            ("description", &self.description),
            ("logoUrl", &self.logo_url),
            ("url", &self.url),
            ("authUrl", &self.auth_url),
        ];
        for (name, text) in fields {
            // Relative, and empty where there is nothing to log in to.
            let may_be_empty = matches!(name, "authUrl" | "logoUrl");
            if text.len() > TEXT_BYTES_MAX || (text.trim().is_empty() && !may_be_empty) {
                return Err(Fault::malformed(format!("{name}: it has 1 to {TEXT_BYTES_MAX} bytes")));
            }
        }
        let what = match self.category {
            Category::App => "Application",
            Category::DataPlug => "Data plug",
        };
        Ok(format!("{what} {} ({}): {}\n{}", self.title, self.namespace, self.description, self.url))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Which {
    cluster: Option<String>,
    hat_filter: Option<String>,
}

impl Which {
    /// Filters that are empty are none.
    fn new(which: Which) -> Result<Which, Fault> {
        let given = |text: Option<String>| text.map(|text| text.to_ascii_lowercase()).filter(|text| !text.is_empty());
        let (cluster, hat_filter) = (given(which.cluster), given(which.hat_filter));
        if let Some(cluster) = &cluster {
            Id::new(cluster).map_err(|error| Fault::malformed(format!("cluster: {error}")))?;
        }
        Ok(Which { cluster, hat_filter })
    }

    fn is_everybody(&self) -> bool {
        self.cluster.is_none() && self.hat_filter.is_none()
    }

    fn selects(&self, hat: &str) -> bool {
        let in_domain = |domain: &String| hat.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'));
        self.cluster.as_ref().is_none_or(in_domain)
            && self.hat_filter.as_ref().is_none_or(|part| hat.contains(part.as_str()))
    }

    /// The HATs in force that are meant.
    ///
    /// # Errors
    /// 400 when they are more than one notice names.
    async fn hats(&self, link: &Link) -> Result<Vec<Id>, Fault> {
        let (mut hats, mut question) = (Vec::new(), json!({ "limit": PAGE }));
        loop {
            let mut page = link.ask("hat.list", &question).await?;
            let listed = page["items"].as_array().into_iter().flatten();
            let names =
                listed.filter(|it| it["approved"] == true).filter_map(|it| it["party"].as_str()?.split_once(':'));
            hats.extend(names.filter(|(_, name)| self.selects(name)).filter_map(|(_, name)| Id::new(name).ok()));
            if hats.len() > HATS_MAX {
                let detail = format!("more than {HATS_MAX} HATs are meant: narrow it down with cluster and hatFilter");
                return Err(Fault::malformed(detail));
            }
            match page["next"].take() {
                Value::Null => return Ok(hats),
                next => question["after"] = next,
            }
        }
    }
}

async fn push(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    which: web::Query<Which>,
    body: web::Bytes,
) -> Result<HttpResponse, Original> {
    caller.admin()?;
    let message = read::<HatService>(&body)?.text()?;
    let which = Which::new(which.into_inner())?;
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, &body, |id| async move {
        let (target, told) = if which.is_everybody() {
            (Target::default(), "all HATs".to_owned())
        } else {
            let hats = which.hats(&work.link).await?;
            if hats.is_empty() {
                // As for the original nothing is done and nothing is wrong; an empty target would be everybody.
                return Ok((200, json!({ "message": "no HAT is meant", "hats": 0 })));
            }
            let told = format!("{} HATs", hats.len());
            (Target { with_hat_address: hats, ..Target::default() }, told)
        };
        let count = target.with_hat_address.len();
        let everybody = target.is_everybody();
        let notice = json!(Notice { message, target, expires: None }).to_string();
        let done = work.link.act(Speaker::Operator, &link::operator(), &["notice"], notice, Some(id)).await?;
        let mut answer = json!({ "message": format!("{told} are told"), "notice": done.outcome.delivery });
        if !everybody {
            answer["hats"] = json!(count);
        }
        Ok((200, answer))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hats_are_selected_by_domain_and_by_part_of_their_address() {
        let of = |cluster: &str, filter: &str| {
            let which = Which { cluster: Some(cluster.into()), hat_filter: Some(filter.into()) };
            Which::new(which).expect("filters")
        };
        assert!(of("", "").is_everybody());
        for (cluster, filter, hat, expected) in [
            ("hubat.net", "", "bob.hubat.net", true),
            ("HUBAT.net", "bo", "bob.hubat.net", true),
            ("hubat.net", "eve", "bob.hubat.net", false),
            ("hubat.net", "", "bob.nothubat.net", false),
            ("hubat.net", "", "hubat.net", false),
            ("", "bob", "bob.hubat.net", true),
        ] {
            assert_eq!(of(cluster, filter).selects(hat), expected, "{cluster} {filter} {hat}");
        }
        let bad = Which { cluster: Some("no domain!".into()), hat_filter: None };
        assert_eq!(Which::new(bad).err().expect("refused").problem.status, 400);
    }
}

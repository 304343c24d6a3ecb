//! Lists of parties and offers.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::domain::Id;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::page::{self, Page};
use crate::gateway::role::Role;
use crate::gateway::{Gateway, etag};

const TAG: &str = "Parties";

/// Its calls. Who takes part is public; which HATs there are is for admins.
pub fn endpoints() -> Vec<Endpoint> {
    let list = |path: &'static str, call: &'static str, summary: &'static str| {
        let handler = move |gateway: web::Data<Gateway>, request: HttpRequest, page: web::Query<Page>| async move {
            let page = page.ask(&gateway.link, call, json!({})).await?;
            Ok::<HttpResponse, Fault>(etag::answer(&request, &page))
        };
        page::described(Endpoint::get(path, handler).about(TAG, summary)).empty(304, "Unchanged")
    };
    vec![
        list("/api/v1/plugs", "plug.list", "Plugs"),
        list("/api/v1/apps", "app.list", "Applications"),
        list("/api/v1/orgs", "org.list", "Organisations"),
        list("/api/v1/platforms", "platform.list", "HAT providers"),
        list("/api/v1/offers", "offer.list", "Offers"),
        list("/api/v1/hats", "hat.list", "HATs").access(Access::Role(Role::Master)),
        Endpoint::get("/api/v1/offers/{offer}", offer)
            .about(TAG, "One offer with its terms")
            .path_param("offer", "Its id")
            .answer(200, "The offer", json!({ "type": "object" }))
            .empty(304, "Unchanged"),
    ]
}

async fn offer(gateway: web::Data<Gateway>, request: HttpRequest, id: web::Path<Id>) -> Result<HttpResponse, Fault> {
    Ok(etag::answer(&request, &gateway.link.ask("offer.show", &json!({ "offer": *id })).await?))
}

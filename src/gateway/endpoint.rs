//! One call of the gateway: how it is served and how it is described. The OpenAPI document and the router are both made
//! from the same list of these, so that neither can know a call that the other does not.

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, Route};
use serde_json::{Value, json};

use super::once;
use super::role::Role;

/// In which shape errors are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// RFC 9457 problems.
    Problem,
    /// The original's `{message, cause, details?}`.
    Original,
}

/// Who may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Anybody; a token is not even looked at.
    Open,
    /// Anybody, and who brings a token may see more. A bad token is refused.
    Optional,
    /// Any account or HAT; the handler looks closer.
    Token,
    /// An account.
    Account,
    /// A HAT.
    Hat,
    /// An account, or who holds an offer's token; the handler looks closer.
    Offer,
    /// An account with this role (or `Master`).
    Role(Role),
}

/// A parameter outside of the body.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    name: &'static str,
    place: &'static str,
    required: bool,
    about: &'static str,
    schema: Value,
}

/// What a call answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    status: u16,
    about: &'static str,
    schema: Option<Value>,
    media: &'static str,
}

/// What is known of a call before it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Doc {
    /// Which method.
    pub method: Method,
    /// Its path with `{names}`: the label of its metrics, too.
    pub path: String,
    /// Who may call.
    pub access: Access,
    /// The shape of its errors.
    pub style: Style,
    tag: &'static str,
    summary: &'static str,
    deprecated: bool,
    params: Vec<Param>,
    body: Option<Value>,
    answers: Vec<Answer>,
}

/// A call: description and handler.
pub struct Endpoint {
    /// How it is described.
    pub doc: Doc,
    /// How it is served; its method is set.
    pub route: Route,
}

impl Endpoint {
    /// A call that answers errors as problems and that anybody may make.
    pub fn new<F, Args>(method: Method, path: impl Into<String>, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = Route::new().method(method.clone()).to(handler);
        let doc = Doc {
            method,
            path: path.into(),
            access: Access::Open,
            style: Style::Problem,
            tag: "Exchange",
            summary: "",
            deprecated: false,
            params: Vec::new(),
            body: None,
            answers: Vec::new(),
        };
        Endpoint { doc, route }
    }

    /// A `GET`.
    pub fn get<F, Args>(path: impl Into<String>, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Endpoint::new(Method::GET, path, handler)
    }

    /// A `POST`.
    pub fn post<F, Args>(path: impl Into<String>, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Endpoint::new(Method::POST, path, handler)
    }

    /// A `PUT`.
    pub fn put<F, Args>(path: impl Into<String>, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Endpoint::new(Method::PUT, path, handler)
    }

    /// Under which heading it stands, and what it does in a few words.
    #[must_use]
    pub fn about(mut self, tag: &'static str, summary: &'static str) -> Self {
        self.doc.tag = tag;
        self.doc.summary = summary;
        self
    }

    /// Who may call.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.doc.access = access;
        self
    }

    /// Errors in the original's shape.
    #[must_use]
    pub fn original(mut self) -> Self {
        self.doc.style = Style::Original;
        self
    }

    /// Kept for old clients; there is a better one.
    #[must_use]
    pub fn deprecated(mut self) -> Self {
        self.doc.deprecated = true;
        self
    }

    /// A parameter in the path: text, unless it says more.
    #[must_use]
    pub fn path_param(mut self, name: &'static str, about: &'static str) -> Self {
        let schema = json!({ "type": "string" });
        self.doc.params.push(Param { name, place: "path", required: true, about, schema });
        self
    }

    /// A parameter in the query, with its schema.
    #[must_use]
    pub fn query(mut self, name: &'static str, required: bool, about: &'static str, schema: Value) -> Self {
        self.doc.params.push(Param { name, place: "query", required, about, schema });
        self
    }

    /// A header, with its schema.
    #[must_use]
    pub fn header(mut self, name: &'static str, required: bool, about: &'static str, schema: Value) -> Self {
        self.doc.params.push(Param { name, place: "header", required, about, schema });
        self
    }

    /// The header under which a repeat acts once: the handler runs it by `once`.
    #[must_use]
    pub fn repeatable(self) -> Self {
        self.header(once::HEADER, false, "Makes a repeat harmless", json!({ "type": "string", "maxLength": 128 }))
    }

    /// The JSON body's schema.
    #[must_use]
    pub fn body(mut self, schema: Value) -> Self {
        self.doc.body = Some(schema);
        self
    }

    /// An answer without an error: status, meaning, schema of the JSON body.
    #[must_use]
    pub fn answer(mut self, status: u16, about: &'static str, schema: Value) -> Self {
        self.doc.answers.push(Answer { status, about, schema: Some(schema), media: "application/json" });
        self
    }

    /// An answer that is no JSON.
    #[must_use]
    pub fn text(mut self, status: u16, about: &'static str, media: &'static str) -> Self {
        self.doc.answers.push(Answer { status, about, schema: Some(json!({ "type": "string" })), media });
        self
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(mut self, status: u16, about: &'static str) -> Self {
        self.doc.answers.push(Answer { status, about, schema: None, media: "" });
        self
    }
}

impl Doc {
    /// The OpenAPI operation.
    pub fn operation(&self) -> Value {
        let params: Vec<Value> = self
            .params
            .iter()
            .map(|param| {
                json!({
                    "name": param.name, "in": param.place, "required": param.required,
                    "description": param.about, "schema": param.schema,
                })
            })
            .collect();
        let mut answers = serde_json::Map::new();
        for answer in &self.answers {
            let mut told = json!({ "description": answer.about });
            if let Some(schema) = &answer.schema {
                told["content"] = json!({ answer.media: { "schema": schema } });
            }
            answers.insert(answer.status.to_string(), told);
        }
        let error = match self.style {
            Style::Problem => "#/components/responses/Problem",
            Style::Original => "#/components/responses/Original",
        };
        answers.insert("default".into(), json!({ "$ref": error }));
        let both = json!([{ "token": [] }, { "bearer": [] }]);
        let security = match &self.access {
            Access::Open => json!([]),
            Access::Optional => json!([{}, { "token": [] }, { "bearer": [] }]),
            _ => both,
        };
        let mut operation = json!({
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.who(),
            "operationId": self.id(),
            "parameters": params,
            "responses": answers,
            "security": security,
        });
        if self.deprecated {
            operation["deprecated"] = json!(true);
        }
        if let Some(schema) = &self.body {
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        operation
    }

    fn who(&self) -> String {
        match &self.access {
            Access::Open => "Anybody.".into(),
            Access::Optional => "Anybody; a token shows more.".into(),
            Access::Token => "An account or a HAT.".into(),
            Access::Offer => "The offer's owner, or who holds its token.".into(),
            Access::Account => "An account.".into(),
            Access::Hat => "A HAT, with a token for this exchange.".into(),
            Access::Role(role) => format!("An account with the role {role}."),
        }
    }

    /// `get_api_v1_debits_hat`: unique, as path and method are.
    fn id(&self) -> String {
        let mut id = self.method.as_str().to_ascii_lowercase();
        for part in self.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
            id.push('_');
            id.push_str(part);
        }
        id
    }
}

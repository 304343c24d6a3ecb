//! Which actions each kind of entity has: the closed set of the protocol's subjects.

use crate::domain::Kind;

/// What the second action token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// There is none.
    None,
    /// An id, named like this.
    Id(&'static str),
    /// The id of an exchange: a UUID.
    Exchange,
}

/// One action: its first token and what the second is.
pub type ActionName = (&'static str, Object);

const HAT: &[ActionName] = &[
    ("credit", Object::Id("plug-or-app")),
    ("release", Object::Id("debit")),
    ("data", Object::None),
    ("pull", Object::Id("debit")),
    ("receipt", Object::None),
    ("recall", Object::Exchange),
    ("register", Object::None),
    ("suspend", Object::None),
    ("resume", Object::None),
    ("retire", Object::None),
    ("rotate-key", Object::None),
    ("pin-key", Object::None),
    ("entrust", Object::None),
    ("revoke-key", Object::None),
    ("plug-connect", Object::Id("plug")),
    ("plug-disconnect", Object::Id("plug")),
    ("app-setup", Object::Id("app")),
    ("app-disable", Object::Id("app")),
    ("report", Object::None),
    ("job", Object::Id("plug")),
    ("debit-propose", Object::Id("debit")),
    ("debit-amend", Object::Id("debit")),
    ("debit-enable", Object::Id("debit")),
    ("debit-disable", Object::Id("debit")),
    ("claim", Object::Id("offer")),
    ("withdraw", Object::Id("offer")),
    ("claim-reserved", Object::Id("offer")),
    ("claim-refused", Object::Id("offer")),
    ("claim-released", Object::Id("offer")),
    ("claim-lapsed", Object::Id("offer")),
    ("pull-asked", Object::Id("offer")),
];

const PLUG: &[ActionName] = &[
    ("register", Object::None),
    ("approve", Object::None),
    ("decline", Object::None),
    ("suspend", Object::None),
    ("resume", Object::None),
    ("rotate-key", Object::None),
    ("revoke-key", Object::None),
    ("report", Object::None),
    ("schedule", Object::None),
    ("notice", Object::None),
];

const ORG: &[ActionName] = &[
    ("register", Object::None),
    ("approve", Object::None),
    ("decline", Object::None),
    ("allow", Object::None),
    ("suspend", Object::None),
    ("resume", Object::None),
    ("rotate-key", Object::None),
    ("revoke-key", Object::None),
    ("notice", Object::None),
];

const APP: &[ActionName] = &[
    ("register", Object::None),
    ("version", Object::None),
    ("publish", Object::None),
    ("decline", Object::None),
    ("allow", Object::None),
    ("suspend", Object::None),
    ("resume", Object::None),
    ("rotate-key", Object::None),
    ("revoke-key", Object::None),
    ("notice", Object::None),
];

/// Of the exchange itself, by its operators.
const DEX: &[ActionName] = &[("classify", Object::None)];

/// Of an operator.
const OPERATOR: &[ActionName] = &[("notice", Object::None)];

const BRIDGE: &[ActionName] = &[
    ("register", Object::None),
    ("approve", Object::None),
    ("decline", Object::None),
    ("account", Object::None),
    ("suspend", Object::None),
    ("resume", Object::None),
    ("rotate-key", Object::None),
    ("revoke-key", Object::None),
];

const PLATFORM: &[ActionName] = &[
    ("certify", Object::None),
    ("suspend", Object::None),
    ("resume", Object::None),
    ("rotate-key", Object::None),
    ("revoke-key", Object::None),
];

const OFFER: &[ActionName] = &[
    ("register", Object::None),
    ("pay", Object::None),
    ("approve", Object::None),
    ("reject", Object::None),
    ("close", Object::None),
    ("reserve", Object::None),
    ("confirm", Object::None),
    ("lapse", Object::None),
    ("pull", Object::Id("debit")),
];

const LANE: &[ActionName] = &[("receipt", Object::None)];

/// The actions of entities of this kind.
pub const fn actions_of(kind: Kind) -> &'static [ActionName] {
    match kind {
        Kind::Hat => HAT,
        Kind::Plug => PLUG,
        Kind::Org => ORG,
        Kind::App => APP,
        Kind::Platform => PLATFORM,
        Kind::Bridge => BRIDGE,
        Kind::Offer => OFFER,
        Kind::Lane => LANE,
        Kind::Operator => OPERATOR,
        Kind::Dex => DEX,
        Kind::Pseudonym => &[],
    }
}

/// The action of this name, when the kind has it.
pub fn find(kind: Kind, verb: &str) -> Option<ActionName> {
    actions_of(kind).iter().copied().find(|(name, _)| *name == verb)
}

/// The names of a kind's actions as one line, for people.
pub fn names(kind: Kind) -> String {
    let mut line = String::new();
    for (name, object) in actions_of(kind) {
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(name);
        match object {
            Object::None => {}
            Object::Id(what) => {
                line.push_str(".<");
                line.push_str(what);
                line.push('>');
            }
            Object::Exchange => line.push_str(".<exchange>"),
        }
    }
    line
}

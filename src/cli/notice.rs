//! `dex notice`: what parties tell HATs.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Order;
use crate::domain::notice::{Notice, Target};
use crate::domain::{Address, Id, Timestamp};

use super::args::Globals;
use super::fail::Failure;
use super::{act, link, out, parse};

/// What can be done with notices.
#[derive(Debug, Subcommand)]
pub enum NoticeVerb {
    /// Post a notice (for operators, plugs, apps and orgs); without a target it is for everybody whom the party may tell
    #[command(
        after_help = "Example:\n  dex notice post 'Closed on Sunday' --any-role plug:fitbit --as operator:main --key operator.key\n\nPlugs, apps and orgs tell only HATs that they are connected to, set up on, or have an active debit with. The outcome's\n`delivery` (--json) is the notice's id."
    )]
    Post {
        /// The text: @FILE, - for stdin, or the text itself
        message: String,
        /// Who has one of these roles
        #[arg(long, value_name = "ROLE")]
        any_role: Vec<String>,
        /// Who has all of these roles
        #[arg(long, value_name = "ROLE")]
        all_roles: Vec<String>,
        /// Who is known under these email addresses (for operators)
        #[arg(long, value_name = "EMAIL")]
        email: Vec<String>,
        /// These HATs
        #[arg(long, value_name = "ADDRESS")]
        hat: Vec<Id>,
        /// Until when it stands; 7 days when not given
        #[arg(long, value_name = "TIME")]
        expires: Option<Timestamp>,
    },
    /// List the notices that stand: for a HAT, of a party, or all
    #[command(after_help = "Example:\n  dex notice list --hat bob.hubat.net --json | jq -r .message")]
    List {
        /// Those for this HAT
        #[arg(long, value_name = "ADDRESS", conflicts_with = "from")]
        hat: Option<Id>,
        /// Those that this party posted
        #[arg(long, value_name = "PARTY")]
        from: Option<Address>,
        /// Only those after this one
        #[arg(long, value_name = "ID")]
        after: Option<Uuid>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
        limit: u64,
    },
    /// Show one notice and how far it was told
    #[command(after_help = "Example:\n  dex notice show 0190a0b0-0000-8000-8000-000000000001 --json")]
    Show {
        /// Its id
        notice: Uuid,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent or asked, or is refused.
pub fn run(globals: &Globals, verb: NoticeVerb) -> Result<ExitCode, Failure> {
    match verb {
        NoticeVerb::Post { message, any_role, all_roles, email, hat, expires } => {
            let text = parse::body(&message)?;
            let message =
                String::from_utf8(text.to_vec()).map_err(|_| Failure::Usage("the message is not UTF-8 text".into()))?;
            let texts = |list: Vec<String>| list.into_iter().map(Into::into).collect();
            let target = Target {
                with_any_role: texts(any_role),
                with_all_roles: texts(all_roles),
                with_email: texts(email),
                with_hat_address: hat,
            };
            let party = link::speaker(globals, None, "an operator, a plug, an app or an org")?;
            let order = Order::notice(&party, &Notice { message, target, expires });
            act::show(globals, link::wait(link::send(globals, party, order))?)
        }
        NoticeVerb::List { hat, from, after, limit } => list(globals, hat, from, after, limit),
        NoticeVerb::Show { notice } => {
            let answer = link::wait(link::ask(globals, "notice.show", &json!({ "notice": notice })))?;
            if globals.json {
                out::json(&answer)?;
            } else {
                out::tree(&answer)?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(
    globals: &Globals,
    hat: Option<Id>,
    from: Option<Address>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<ExitCode, Failure> {
    let mut question = json!({});
    let given =
        [("hat", hat.map(|it| json!(it))), ("party", from.map(|it| json!(it))), ("after", after.map(|it| json!(it)))];
    for (name, value) in given {
        if let Some(value) = value {
            question[name] = value;
        }
    }
    link::wait(link::pages(globals, "notice.list", question, limit, |item: &Value| {
        if globals.json {
            return out::json(item);
        }
        let text = |name: &str| out::plain(&item[name]);
        // One line each, whatever the text is.
        let message = text("message").replace(['\n', '\r', '\t'], " ");
        out::line(format_args!("{}  {}  till {}  {message}", text("notice"), text("from"), text("expires")))
    }))
}

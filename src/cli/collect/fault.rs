//! What goes wrong with PostgreSQL, and whether another try mends it.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::types::{WasNull, WrongType};

use super::piece::ContentError;
use super::sink::SinkError;

/// Why something in the database failed.
#[derive(Debug)]
pub enum Fault {
    /// It may go well over another connection.
    Passes(String),
    /// It is this content that the database does not take.
    Content(String),
    /// The content is right, and the table is not made for it.
    Table(String),
    /// It will fail again.
    Stays(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text = told(&error);
        match error.code() {
            Some(code) => kind(code.code())(text),
            // The library itself: a column that it cannot read or write is no server that is away.
            None if error.source().is_some_and(|cause| cause.is::<WrongType>() || cause.is::<WasNull>()) => {
                Fault::Table(text)
            }
            None => Fault::Passes(text),
        }
    }
}

/// What a SQLSTATE says of the next try.
fn kind(code: &str) -> fn(String) -> Fault {
    match code {
        // A server that only reads: after a failover another one writes, or this one will.
        "25006" => return Fault::Passes,
        // A text that is longer than the column lets it be: no column of ours has such a bound.
        "22001" => return Fault::Table,
        _ => {}
    }
    match code.get(..2).unwrap_or_default() {
        // Connection, resources, operator's intervention, rolled back for another's sake.
        "08" | "53" | "57" | "40" => Fault::Passes,
        // Values: a text with a zero character, a number with 200,000 digits, an object of 256 MiB.
        "22" | "54" => Fault::Content,
        // Columns of another name or type, rights that are missing, constraints of somebody else's.
        "42" | "23" => Fault::Table,
        _ => Fault::Stays,
    }
}

impl From<ContentError> for Fault {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Records(_) => Fault::Content(error.to_string()),
            ContentError::File { .. } => Fault::Stays(error.to_string()),
        }
    }
}

/// What the server says, without the values that it may quote: they are content.
pub fn told(error: &Error) -> String {
    match error.as_db_error() {
        Some(said) if said.code().code().starts_with("22") => {
            let what = match said.code().code() {
                "22001" => "a text is longer than its column takes",
                "22003" => "a number is beyond what PostgreSQL or its column takes",
                _ => "a value that PostgreSQL does not take",
            };
            format!("SQLSTATE {}: {what}", said.code().code())
        }
        Some(said) => format!("{} (SQLSTATE {})", said.message(), said.code().code()),
        None => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{error}{cause}")
        }
    }
}

impl Fault {
    /// What is wrong.
    pub fn why(self) -> String {
        match self {
            Fault::Passes(why) | Fault::Content(why) | Fault::Table(why) | Fault::Stays(why) => why,
        }
    }

    /// What is said where nothing goes on.
    pub fn end(self, table: &str) -> SinkError {
        SinkError(match self {
            Fault::Passes(why) | Fault::Content(why) | Fault::Stays(why) => format!("PostgreSQL: {why}"),
            Fault::Table(why) => format!(
                "PostgreSQL: {table} or {table}_deliveries is not as it must be: {why}; alter it to the columns, types and \
                 rights that docs/acquirer.md names, or name another --table"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_whether_to_try_again_to_refuse_or_to_end() {
        let said = |code: &str| match kind(code)(String::new()) {
            Fault::Passes(_) => "passes",
            Fault::Content(_) => "content",
            Fault::Table(_) => "table",
            Fault::Stays(_) => "stays",
        };
        for (code, wanted) in [
            ("08006", "passes"),
            ("25006", "passes"),
            ("40001", "passes"),
            ("53300", "passes"),
            ("57P01", "passes"),
            ("22P05", "content"),
            ("22021", "content"),
            ("54000", "content"),
            ("22003", "content"),
            ("22001", "table"),
            ("23514", "table"),
            ("42703", "table"),
            ("42804", "table"),
            ("42501", "table"),
            ("25P02", "stays"),
            ("XX001", "stays"),
            ("", "stays"),
        ] {
            assert_eq!(said(code), wanted, "{code}");
        }
        let told = Fault::Table("why".into()).end("feed").to_string();
        assert!(told.contains("feed or feed_deliveries") && told.contains("why; alter it"), "{told}");
    }
}

//! Manifests to begin with.

use crate::cli::fail::Failure;
use crate::cli::out;

/// How the source of a new manifest is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KindArg {
    /// Lists of JSON over HTTP
    HttpJson,
    /// RSS, Atom or JSON Feed
    Feed,
    /// A calendar
    Ical,
    /// JSON Lines or CSV in a folder
    File,
}

const HEAD: &str = include_str!("new/head.toml");

impl KindArg {
    fn rest(self) -> &'static str {
        match self {
            KindArg::HttpJson => include_str!("new/http-json.toml"),
            KindArg::Feed => include_str!("new/feed.toml"),
            KindArg::Ical => include_str!("new/ical.toml"),
            KindArg::File => include_str!("new/file.toml"),
        }
    }
}

/// Writes one.
pub fn run(kind: KindArg) -> Result<(), Failure> {
    out::line(format_args!("{HEAD}\n{}", kind.rest().trim_end()))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::cli::plug::manifest::check::Checked;
    use crate::cli::plug::manifest_text;

    #[test]
    fn what_is_written_is_accepted_as_it_is() {
        for kind in KindArg::value_variants() {
            let text = format!("{HEAD}\n{}", kind.rest());
            let value = manifest_text::value(text.as_bytes()).expect("TOML");
            let checked = Checked::read(&value).unwrap_or_else(|failure| panic!("{kind:?}: {failure}"));
            assert_eq!(checked.connectors.len(), 1, "{kind:?}");
            let word = kind.to_possible_value().expect("a word");
            assert_eq!(checked.connectors.values().next().expect("one").kind(), word.get_name());
        }
    }
}

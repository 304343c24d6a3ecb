//! Words of a text, for searches: as PostgreSQL's `english` configuration has them for plain words.
//!
//! A word is a run of letters and digits, in lower case, without the common words of English, reduced to its stem
//! by the Snowball stemmer. Addresses, host names and hyphenated words are taken apart here; a database keeps some
//! of them whole as well.

use std::borrow::Cow;

use rust_stemmers::{Algorithm, Stemmer};
use smol_str::SmolStr;

use super::json::Json;
use super::stop_words::STOP_WORDS;

/// Most words of one field that are looked through: a body is bounded, and so is this.
const WORDS_MAX: usize = 100_000;

fn each_word(text: &str, mut take: impl FnMut(SmolStr) -> bool) -> bool {
    let stemmer = Stemmer::create(Algorithm::English);
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        if word.is_empty() {
            continue;
        }
        let word = word.to_lowercase();
        if STOP_WORDS.binary_search(&word.as_str()).is_ok() {
            continue;
        }
        let stem: Cow<'_, str> = stemmer.stem(&word);
        if !take(SmolStr::new(stem)) {
            return false;
        }
    }
    true
}

/// The words of a search, sorted, each once.
pub(super) fn of_search(text: &str) -> Vec<SmolStr> {
    let mut words = Vec::new();
    each_word(text, |word| {
        words.push(word);
        true
    });
    words.sort_unstable();
    words.dedup();
    words
}

/// Whether all of `wanted` (at most 64 words of a search) are among the words of `value`, those of its keys too.
pub(super) fn all_in(wanted: &[SmolStr], value: &Json<'_>) -> bool {
    let mut missing: Vec<&SmolStr> = wanted.iter().collect();
    let mut left = WORDS_MAX;
    look(value, &mut |word| {
        missing.retain(|wanted| **wanted != word);
        left -= 1;
        !missing.is_empty() && left > 0
    });
    missing.is_empty()
}

fn look(value: &Json<'_>, take: &mut impl FnMut(SmolStr) -> bool) -> bool {
    match value {
        Json::Null => each_word("null", &mut *take),
        Json::Bool(value) => each_word(if *value { "true" } else { "false" }, &mut *take),
        Json::String(text) | Json::Number(text) => each_word(text, &mut *take),
        Json::Array(items) => items.iter().all(|item| look(item, take)),
        Json::Object(members) => members.iter().all(|(key, value)| each_word(key, &mut *take) && look(value, take)),
    }
}

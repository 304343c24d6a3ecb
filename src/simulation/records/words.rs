//! Words, names, places and numbers that records are made of.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

const WORDS: &[&str] = &[
    "morning",
    "coffee",
    "train",
    "late",
    "again",
    "walk",
    "river",
    "with",
    "the",
    "kids",
    "after",
    "school",
    "meeting",
    "about",
    "budget",
    "and",
    "then",
    "home",
    "rain",
    "sunshine",
    "great",
    "match",
    "tonight",
    "never",
    "thought",
    "would",
    "see",
    "this",
    "city",
    "park",
    "running",
    "slowly",
    "but",
    "surely",
    "new",
    "album",
    "is",
    "out",
    "today",
    "cannot",
    "wait",
    "for",
    "weekend",
    "mountains",
    "photo",
    "from",
    "last",
    "summer",
    "friends",
    "dinner",
    "recipe",
    "bread",
    "garden",
    "tomatoes",
    "finally",
    "book",
    "chapter",
    "reading",
    "old",
    "film",
    "cinema",
    "über",
    "café",
    "naïve",
    "señor",
    "東京",
    "😀",
    "to",
    "of",
    "in",
];

/// First names.
pub const FIRST: &[&str] = &[
    "Ada", "Bob", "Chloe", "Dinesh", "Elif", "Farah", "Goran", "Hana", "Ivo", "Jun", "Kofi", "Lena", "Marta", "Nils",
    "Olga", "Priya", "Quentin", "Rosa", "Sami", "Tove", "Uma", "Vera", "Wen", "Xavi", "Yara", "Zoe",
];

/// Family names.
pub const LAST: &[&str] = &[
    "Ahmed", "Berg", "Costa", "Dubois", "Eriksson", "Fischer", "Garcia", "Hughes", "Ito", "Jansen", "Khan", "Lopez",
    "Murphy", "Nowak", "Okafor", "Patel", "Rossi", "Smith", "Tanaka", "Ueda", "Weber", "Yilmaz",
];

/// Cities with latitude and longitude.
pub const CITIES: &[(&str, &str, f64, f64)] = &[
    ("London", "United Kingdom", 51.5074, -0.1278),
    ("Coventry", "United Kingdom", 52.4068, -1.5197),
    ("Zürich", "Switzerland", 47.3769, 8.5417),
    ("Lisbon", "Portugal", 38.7223, -9.1393),
    ("Accra", "Ghana", 5.6037, -0.187),
    ("Singapore", "Singapore", 1.3521, 103.8198),
    ("Montréal", "Canada", 45.5019, -73.5674),
];

/// One of a list.
pub fn one<'a, T>(rng: &mut StdRng, of: &'a [T]) -> &'a T {
    of.choose(rng).expect("the lists of this module are not empty")
}

/// A text of `from` to `to` words.
pub fn text(rng: &mut StdRng, from: usize, to: usize) -> String {
    let words = rng.gen_range(from..=to);
    let mut text = String::with_capacity(words * 7);
    for n in 0..words {
        if n > 0 {
            text.push(' ');
        }
        text.push_str(one::<&str>(rng, WORDS));
    }
    text
}

/// A full name.
pub fn name(rng: &mut StdRng) -> String {
    format!("{} {}", one(rng, FIRST), one(rng, LAST))
}

/// A decimal number of `digits` digits as text, as many sources write their ids.
pub fn digits(rng: &mut StdRng, digits: usize) -> String {
    (0..digits).map(|n| char::from(b'0' + rng.gen_range(u8::from(n == 0)..10))).collect()
}

/// A token of letters and digits.
pub fn token(rng: &mut StdRng, len: usize) -> String {
    const SET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (0..len).map(|_| char::from(*one(rng, SET))).collect()
}

/// A number rounded to `places` decimal places.
pub fn round(number: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (number * scale).round() / scale
}

/// A place near a city: latitude, longitude.
pub fn near(rng: &mut StdRng, city: &(&str, &str, f64, f64)) -> (f64, f64) {
    let (a, b): (f64, f64) = (rng.gen_range(-0.05..0.05), rng.gen_range(-0.05..0.05));
    (round(city.2 + a, 6), round(city.3 + b, 6))
}

//! `twitter/tweets`.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::time::{Moment, twitter, zulu};
use super::words::{CITIES, digits, name, near, one, text, token};

/// A tweet.
pub fn tweets(rng: &mut StdRng, at: Moment) -> Value {
    let id = digits(rng, 18);
    let author = name(rng);
    let handle = author.to_lowercase().replace(' ', "_");
    let mut tweet = json!({
        "id": id.parse::<u64>().unwrap_or_default(),
        "id_str": id,
        "text": text(rng, 3, 28),
        "lang": one(rng, &["en", "de", "pt", "fr"]),
        "source": "<a href=\"http://twitter.com/download/iphone\" rel=\"nofollow\">Twitter for iPhone</a>",
        "created_at": twitter(at),
        "lastUpdated": zulu(at.plus_minutes(3)),
        "favorited": rng.gen_bool(0.1),
        "retweeted": rng.gen_bool(0.1),
        "truncated": false,
        "favorite_count": rng.gen_range(0..200),
        // Numbers come as text from this source now and then.
        "retweet_count": if rng.gen_bool(0.3) { json!(rng.gen_range(0..90).to_string()) } else { json!(rng.gen_range(0..90)) },
        "user": {
            "id": digits(rng, 9).parse::<u64>().unwrap_or_default(), "name": author, "screen_name": handle, "lang": "en",
            "followers_count": rng.gen_range(0..5000), "friends_count": rng.gen_range(0..1500),
            "statuses_count": rng.gen_range(1..20_000), "favourites_count": rng.gen_range(0..9000),
            "listed_count": rng.gen_range(0..40),
        },
    });
    if rng.gen_bool(0.25) {
        let city = *one(rng, CITIES);
        let (latitude, longitude) = near(rng, &city);
        tweet["coordinates"] = json!({"type": "Point", "coordinates": [longitude, latitude]});
        tweet["place"] = json!({"id": token(rng, 16), "name": city.0, "full_name": format!("{}, {}", city.0, city.1),
            "country": city.1, "country_code": "GB", "place_type": "city",
            "url": format!("https://api.twitter.com/1.1/geo/id/{}.json", token(rng, 16))});
    }
    if rng.gen_bool(0.3) {
        tweet["in_reply_to_status_id"] = json!(digits(rng, 18).parse::<u64>().unwrap_or_default());
        tweet["in_reply_to_user_id"] = json!(digits(rng, 9).parse::<u64>().unwrap_or_default());
        tweet["in_reply_to_screen_name"] = json!(name(rng).to_lowercase().replace(' ', "_"));
    }
    tweet
}

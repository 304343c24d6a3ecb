//! `facebook/feed` and `facebook/events`.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::time::{Moment, offset_zero};
use super::words::{CITIES, digits, name, near, one, text, token};

/// A post.
pub fn feed(rng: &mut StdRng, at: Moment) -> Value {
    let (author, id) = (name(rng), digits(rng, 15));
    let kind = *one(rng, &["status", "photo", "link"]);
    let mut post = json!({
        "id": format!("{id}_{}", digits(rng, 15)),
        "from": {"id": id, "name": author},
        "type": kind,
        "status_type": match kind { "photo" => "added_photos", "link" => "shared_story", _ => "mobile_status_update" },
        "message": text(rng, 4, 60),
        "privacy": {"value": "ALL_FRIENDS", "description": "Your friends", "friends": "", "allow": "", "deny": ""},
        "created_time": offset_zero(at),
        "updated_time": offset_zero(at.plus_minutes(rng.gen_range(0..600))),
        "lastUpdated": offset_zero(at.plus_minutes(601)),
    });
    if kind != "status" {
        let link = format!("https://www.facebook.com/photo.php?fbid={}", digits(rng, 16));
        post["link"] = json!(link);
        post["object_id"] = json!(digits(rng, 16));
        post["picture"] =
            json!(format!("https://scontent.xx.fbcdn.net/v/t1.0-0/{}_n.jpg?oh={}", digits(rng, 24), token(rng, 32)));
        post["full_picture"] =
            json!(format!("https://scontent.xx.fbcdn.net/v/t1.0-9/{}_n.jpg?oh={}", digits(rng, 24), token(rng, 32)));
        post["caption"] = json!(text(rng, 2, 8));
        post["description"] = json!(text(rng, 10, 80));
        post["application"] = json!({"id": "350685531728", "name": "Facebook for Android", "namespace": "fbandroid", "link": "https://www.facebook.com/games/fbandroid/?fbs=-1", "category": "Communication"});
    }
    post
}

/// An event.
pub fn events(rng: &mut StdRng, at: Moment) -> Value {
    let city = *one(rng, CITIES);
    let (latitude, longitude) = near(rng, &city);
    json!({
        "id": digits(rng, 16),
        "name": text(rng, 3, 8),
        "description": text(rng, 30, 250),
        "start_time": offset_zero(at),
        "end_time": offset_zero(at.plus_minutes(rng.gen_range(60..400))),
        "rsvp_status": one(rng, &["attending", "unsure", "declined", "not_replied"]),
        "type": "public",
        "owner": {"id": digits(rng, 15), "name": name(rng)},
        "attending_count": rng.gen_range(0..900),
        "declined_count": rng.gen_range(0..50),
        "maybe_count": rng.gen_range(0..400),
        "noreply_count": rng.gen_range(0..600),
        "place": {"id": digits(rng, 15), "name": text(rng, 1, 3), "location": {
            "street": format!("{} {}", rng.gen_range(1..200), text(rng, 1, 2)), "city": city.0, "country": city.1,
            "latitude": latitude, "longitude": longitude}},
        "lastUpdated": offset_zero(at.plus_minutes(10)),
    })
}

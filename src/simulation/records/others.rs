//! `rumpel/locations/ios`, `rumpel/notablesv1`, `calendar/google/events` and `spotify/feed`.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::time::{Moment, local, zulu};
use super::words::{CITIES, name, near, one, round, text, token};

/// Where a phone is. The most frequent record of all.
pub fn location(rng: &mut StdRng, at: Moment) -> Value {
    let city = *one(rng, CITIES);
    let (latitude, longitude) = near(rng, &city);
    json!({
        "latitude": latitude,
        "longitude": longitude,
        "altitude": round(rng.gen_range(0.0..400.0), 3),
        "speed": round(rng.gen_range(-1.0..28.0), 2),
        "course": round(rng.gen_range(0.0..360.0), 2),
        "horizontalAccuracy": round(rng.gen_range(5.0..165.0), 1),
        "verticalAccuracy": round(rng.gen_range(3.0..40.0), 1),
        "dateCreated": at.0,
        "dateCreatedLocal": local(at),
        "dateSynced": at.0 + rng.gen_range(1..3600),
    })
}

/// A note of the HAT's owner.
pub fn notable(rng: &mut StdRng, at: Moment) -> Value {
    let shared = rng.gen_bool(0.4);
    json!({
        "kind": one(rng, &["note", "list", "blog"]),
        "message": text(rng, 8, 220),
        "created_time": zulu(at),
        "updated_time": zulu(at.plus_minutes(rng.gen_range(0..90))),
        "shared": shared,
        "currently_shared": shared,
        "shared_on": if shared { vec!["marketsquare"] } else { vec![] },
        "authorv1": {"phata": format!("{}.hubat.net", token(rng, 6).to_lowercase())},
        "locationv1": {"latitude": 52.4, "longitude": -1.52, "accuracy": 20.5, "altitude": null,
            "altitude_accuracy": null, "heading": null, "speed": null, "shared": false},
    })
}

/// An entry of a calendar.
pub fn calendar(rng: &mut StdRng, at: Moment) -> Value {
    let id = token(rng, 26).to_lowercase();
    let owner = name(rng);
    let email = |name: &str| format!("{}@example.com", name.to_lowercase().replace(' ', "."));
    let guests: Vec<Value> = (0..rng.gen_range(0..8))
        .map(|_| {
            let guest = name(rng);
            json!({"email": email(&guest), "displayName": guest,
                "responseStatus": one(rng, &["accepted", "needsAction", "declined", "tentative"])})
        })
        .collect();
    json!({
        "id": id,
        "calendarId": email(&owner),
        "status": "confirmed",
        "summary": text(rng, 2, 9),
        "description": if rng.gen_bool(0.5) { text(rng, 10, 120) } else { String::new() },
        "location": one(rng, CITIES).0,
        "created": zulu(Moment(at.0 - 864_000)),
        "updated": zulu(Moment(at.0 - 3600)),
        "start": {"dateTime": zulu(at), "timeZone": "Europe/London"},
        "end": {"dateTime": zulu(at.plus_minutes(rng.gen_range(15..180))), "timeZone": "Europe/London"},
        "creator": {"email": email(&owner), "displayName": owner, "self": true},
        "organizer": {"email": email(&owner), "displayName": owner, "self": true},
        "attendees": guests,
        "htmlLink": format!("https://www.google.com/calendar/event?eid={}", token(rng, 48)),
        "iCalUID": format!("{id}@google.com"),
        "etag": format!("\"{}\"", at.0 * 2000),
        "sequence": rng.gen_range(0..4),
        "reminders": {"useDefault": false, "overrides": [{"method": "popup", "minutes": 30}]},
    })
}

/// A track that was played.
pub fn played(rng: &mut StdRng, at: Moment) -> Value {
    let track = token(rng, 22);
    let artists: Vec<Value> = (0..rng.gen_range(1..4))
        .map(|_| {
            let artist = token(rng, 22);
            json!({"id": artist, "name": name(rng), "href": format!("https://api.spotify.com/v1/artists/{artist}"),
                "uri": format!("spotify:artist:{artist}"), "type": "artist"})
        })
        .collect();
    json!({
        "played_at": zulu(at),
        "track": {
            "id": track, "name": text(rng, 1, 6), "duration_ms": rng.gen_range(90_000..420_000),
            "explicit": rng.gen_bool(0.2), "href": format!("https://api.spotify.com/v1/tracks/{track}"),
            "uri": format!("spotify:track:{track}"), "type": "track",
            "preview_url": format!("https://p.scdn.co/mp3-preview/{}", token(rng, 40)),
            "available_markets": ["AD", "AE", "AR", "AT", "AU", "BE", "BG", "BR", "CA", "CH", "CL", "CO", "CZ", "DE", "DK",
                "EE", "ES", "FI", "FR", "GB", "GR", "HK", "HU", "IE", "IN", "IS", "IT", "JP", "LT", "LU", "LV", "MX", "NL"],
            "artists": artists,
        },
    })
}

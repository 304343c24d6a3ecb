//! `monzo/transactions`.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::time::{Moment, zulu};
use super::words::{CITIES, digits, near, one, text, token};

/// A card payment, or a top-up.
pub fn transactions(rng: &mut StdRng, at: Moment) -> Value {
    let load = rng.gen_bool(0.15);
    let amount: i64 = if load { rng.gen_range(1000..200_000) } else { -rng.gen_range(90..25_000) };
    let category = *one(rng, &["eating_out", "groceries", "transport", "bills", "shopping", "cash", "entertainment"]);
    let description = text(rng, 1, 4).to_uppercase();
    let mut transaction = json!({
        "id": format!("tx_0000{}", token(rng, 18)),
        "account_id": format!("acc_0000{}", token(rng, 18)),
        "account_balance": rng.gen_range(0..500_000),
        "amount": amount,
        "currency": "GBP",
        "local_amount": amount,
        "local_currency": "GBP",
        "created": zulu(at),
        "updated": zulu(at.plus_minutes(2)),
        "settled": zulu(at.plus_minutes(1440)),
        "description": description,
        "notes": if rng.gen_bool(0.2) { text(rng, 2, 12) } else { String::new() },
        "category": category,
        "is_load": load,
        "scheme": if load { "payport_faster_payments" } else { "mastercard" },
        "attachments": [],
    });
    if !load {
        let city = *one(rng, CITIES);
        let (latitude, longitude) = near(rng, &city);
        transaction["merchant"] = json!({
            "id": format!("merch_0000{}", token(rng, 18)),
            "group_id": format!("grp_0000{}", token(rng, 18)),
            "name": text(rng, 1, 3),
            "category": category,
            "emoji": one(rng, &["🍞", "🚌", "🛒", "🎬"]),
            "logo": format!("https://mondo-logo-cache.appspot.com/twitter/@{}/?size=large", token(rng, 9)),
            "online": rng.gen_bool(0.3),
            "atm": category == "cash",
            "created": zulu(Moment(at.0 - 31_000_000)),
            "address": {"address": format!("{} {}", digits(rng, 2), text(rng, 1, 2)), "city": city.0, "region": "",
                "country": "GBR", "postcode": token(rng, 7).to_uppercase(), "latitude": latitude, "longitude": longitude},
            "metadata": {"created_for_merchant": token(rng, 18), "suggested_tags": format!("#{category}")},
        });
    }
    transaction
}

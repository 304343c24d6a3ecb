//! What is asked for, and the records that it is asked of, where bundles are measured.

use bytes::Bytes;
use dex::domain::bundle::Bundle;
use dex::domain::records::Records;
use serde_json::{Value, json};

/// Five endpoints, of each ten mapped fields and two filters.
pub fn bundle() -> Bundle {
    let query = |n: usize| {
        json!({
            "endpoint": format!("bank/account-{n}"),
            "mapping": {
                "when": "created", "amount": "amount.value", "currency": "amount.currency", "shop": "merchant.name",
                "place.city": "merchant.address.city", "place.country": "merchant.address.country",
                "tag": "tags[0]", "kind": "category", "note": "notes", "id": "id",
            },
            "filters": [
                { "field": "amount.value", "operator": { "operator": "between", "lower": 0, "upper": 1000 } },
                { "field": "category", "operator": { "operator": "in", "value": ["food", "travel", "books"] } },
            ],
        })
    };
    let endpoints: Vec<Value> = (0..5).map(query).collect();
    let bundle = json!({ "name": "spending", "bundle": { "spending": { "endpoints": endpoints } } });
    Bundle::read(&bundle).expect("a bundle")
}

/// Records of about 1 KB, each as a HAT holds it; all pass the filters.
pub fn records(count: usize) -> Records {
    let record = |n: usize| {
        json!({
            "endpoint": format!("bank/account-{}", n % 5),
            "recordId": format!("00000000-0000-4000-8000-{n:012}"),
            "data": {
                "id": format!("tx-{n}"), "created": "2026-03-04T05:06:07Z", "settled": "2026-03-05T05:06:07Z",
                "amount": { "value": (n * 7 % 990) as f64 + 0.25, "currency": "GBP", "local": 12.5 },
                "merchant": {
                    "id": "m-0001", "name": "The Corner Shop", "logo": "https://img.example/shops/corner/logo.png",
                    "address": { "street": "1 High Street", "city": "Cambridge", "country": "UK", "postcode": "CB1 1AA",
                        "latitude": 52.2053, "longitude": 0.1218 },
                },
                "category": (["food", "travel", "books"][n % 3]), "notes": "bought on the way home, with a card",
                "tags": ["everyday", "card", "small"], "metadata": { "terminal": "T-1", "batch": n, "flags": [true, false, null] },
                "description": "x".repeat(420),
            },
        })
    };
    let list: Vec<Value> = (0..count).map(record).collect();
    Records::parse(Bytes::from(json!(list).to_string()), count).expect("records")
}

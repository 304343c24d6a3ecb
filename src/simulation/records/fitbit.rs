//! `fitbit/sleep`, `fitbit/activity` and `fitbit/weight`.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::time::{Moment, date, local, zulu};
use super::words::{digits, one, round};

/// A night's sleep by stages.
pub fn sleep(rng: &mut StdRng, at: Moment) -> Value {
    let minutes: i64 = rng.gen_range(240..560);
    let awake: i64 = rng.gen_range(10..60);
    let mut left = minutes;
    let mut from = at;
    let mut data = Vec::new();
    let mut summary = [("deep", 0, 0), ("light", 0, 0), ("rem", 0, 0), ("wake", 0, 0)];
    while left > 0 {
        let span = rng.gen_range(5..70).min(left);
        let stage = rng.gen_range(0..summary.len());
        summary[stage].1 += 1;
        summary[stage].2 += span;
        data.push(json!({"dateTime": local(from), "level": summary[stage].0, "seconds": span * 60}));
        from = from.plus_minutes(span);
        left -= span;
    }
    let summary: serde_json::Map<String, Value> = summary
        .into_iter()
        .map(|(stage, count, minutes)| (stage.to_owned(), json!({"count": count, "minutes": minutes})))
        .collect();
    json!({
        "logId": digits(rng, 11).parse::<u64>().unwrap_or_default(),
        "dateOfSleep": date(from),
        "startTime": local(at),
        "endTime": local(from),
        "type": "stages",
        "duration": minutes * 60_000,
        "timeInBed": minutes,
        "efficiency": rng.gen_range(70..99),
        "infoCode": 0,
        "minutesAsleep": minutes - awake,
        "minutesAwake": awake,
        "minutesToFallAsleep": 0,
        "minutesAfterWakeup": rng.gen_range(0..9),
        "levels": {"data": data, "summary": summary},
    })
}

/// A workout.
pub fn activity(rng: &mut StdRng, at: Moment) -> Value {
    let minutes: i64 = rng.gen_range(10..140);
    let duration = minutes * 60_000;
    let (name, kind) = *one(rng, &[("Walk", 90013), ("Run", 90009), ("Outdoor Bike", 1071), ("Swim", 90024)]);
    let distance = round(rng.gen_range(0.5..18.0), 3);
    json!({
        "logId": digits(rng, 11).parse::<u64>().unwrap_or_default(),
        "activityName": name,
        "activityTypeId": kind,
        "logType": "auto_detected",
        "startTime": zulu(at),
        "originalStartTime": zulu(at),
        "duration": duration,
        "activeDuration": duration - 20_000,
        "originalDuration": duration,
        "calories": rng.gen_range(40..900),
        "steps": rng.gen_range(500..16_000),
        "distance": distance,
        "distanceUnit": "Kilometer",
        "speed": round(distance / (minutes as f64 / 60.0), 2),
        "pace": round(minutes as f64 * 60.0 / distance, 2),
        "elevationGain": round(rng.gen_range(0.0..220.0), 1),
        "averageHeartRate": rng.gen_range(80..165),
        "heartRateZones": [
            {"name": "Out of Range", "min": 30, "max": 91, "minutes": rng.gen_range(0..20)},
            {"name": "Fat Burn", "min": 91, "max": 127, "minutes": rng.gen_range(0..60)},
            {"name": "Cardio", "min": 127, "max": 154, "minutes": rng.gen_range(0..50)},
            {"name": "Peak", "min": 154, "max": 220, "minutes": rng.gen_range(0..15)}],
        "activityLevel": [
            {"name": "sedentary", "minutes": 0}, {"name": "lightly", "minutes": rng.gen_range(0..10)},
            {"name": "fairly", "minutes": rng.gen_range(0..20)}, {"name": "very", "minutes": minutes}],
        "manualValuesSpecified": {"steps": false, "calories": false, "distance": false},
        "lastModified": zulu(at.plus_minutes(minutes + 30)),
        "source": {"id": "228VSR", "name": "Charge 4", "type": "tracker", "url": "https://www.fitbit.com/"},
        "tcxLink": format!("https://api.fitbit.com/1/user/-/activities/{}.tcx", digits(rng, 11)),
    })
}

/// A weighing.
pub fn weight(rng: &mut StdRng, at: Moment) -> Value {
    json!({
        "logId": at.0 * 1000,
        "date": date(at),
        "time": "07:30:00",
        "weight": round(rng.gen_range(48.0..120.0), 1),
        "bmi": round(rng.gen_range(18.0..34.0), 2),
        "fat": round(rng.gen_range(9.0..38.0), 1),
        "source": one(rng, &["Aria", "API", "Web"]),
    })
}

//! When a HAT is asked again.

use std::time::Instant;

pub use crate::http::retry::{Budget, Retry};

use super::error::{Fault, HatError};

/// Calls until it succeeds, fails for good, or tries or budget are used up; the last fault is told.
/// `jitter` gives a number of 0 to 1 for each pause.
///
/// # Errors
/// The last call's.
pub async fn retry<T, F, C>(
    policy: &Retry,
    budget: &Budget,
    mut jitter: impl FnMut() -> f64,
    mut call: C,
) -> Result<T, HatError>
where
    F: Future<Output = Result<T, HatError>>,
    C: FnMut() -> F,
{
    let mut tries = 1;
    loop {
        let error = match call().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let worth_it = error.fault.passes() && !matches!(error.fault, Fault::Account(_) | Fault::Budget);
        if !worth_it || tries >= policy.tries.max(1) || !budget.take(Instant::now()) {
            return Err(error);
        }
        let pause = policy.pause(tries, jitter());
        // A HAT that asks for a longer pause than we wait here gets it from whoever called us.
        match error.after {
            Some(after) if after > policy.most => return Err(error),
            after => tokio::time::sleep(pause.max(after.unwrap_or_default())).await,
        }
        tries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::time::Duration;

    fn error(fault: Fault) -> HatError {
        let hat = crate::domain::Id::new("bob.hubat.net").expect("an id");
        HatError { hat, call: "GET /x", fault, after: None }
    }

    #[tokio::test]
    async fn what_passes_is_tried_again_and_what_does_not_is_not() {
        let policy = Retry { tries: 3, first: Duration::from_millis(1), most: Duration::from_millis(2) };
        let budget = Budget::new(100, 0.0);
        let run = async |fault: Fault| {
            let tries = Cell::new(0);
            let call = || {
                tries.set(tries.get() + 1);
                std::future::ready(Err::<(), _>(error(fault.clone())))
            };
            retry(&policy, &budget, || 0.5, call).await.expect_err("fails");
            tries.get()
        };
        assert_eq!(run(Fault::Status(503)).await, 3);
        assert_eq!(run(Fault::Timeout).await, 3);
        assert_eq!(run(Fault::Status(403)).await, 1);
        assert_eq!(run(Fault::OtherKey).await, 1);
        let none = Budget::new(0, 0.0);
        let call = || std::future::ready(Err::<(), _>(error(Fault::Timeout)));
        assert_eq!(retry(&policy, &none, || 0.0, call).await, Err(error(Fault::Timeout)));
    }
}

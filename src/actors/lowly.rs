//! Threads whose work nobody waits for step back behind those that are on the path of a message.

#[cfg(target_os = "linux")]
use rustix::process::{getpriority_process, setpriority_process};

/// How far a thread steps back: by a niceness of 5, Linux gives it a third of what it gives another thread that wants the
/// same core, and all of it while nobody else does. Enough to get done what would else hold the path up.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Lowers the priority of the calling thread, for good. Elsewhere than on Linux priorities are of whole processes, and
/// nothing happens.
pub(super) fn step_back(who: &'static str) {
    #[cfg(target_os = "linux")]
    if let Err(error) = getpriority_process(None).and_then(|now| setpriority_process(None, (now + NICE).min(19))) {
        tracing::info!(who, %error, "the thread keeps its priority");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = who;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_steps_back_leaves_the_others_where_they_are() {
        let nice = || getpriority_process(None).expect("a priority");
        let before = nice();
        let lowered = std::thread::spawn(move || {
            step_back("a test");
            nice()
        });
        assert_eq!(lowered.join().expect("a thread"), (before + NICE).min(19));
        assert_eq!(nice(), before);
    }
}

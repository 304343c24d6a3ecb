//! What a process has used, as the system counts it.

use std::time::Duration;

/// Linux shows times to programs in hundredths of a second, whatever the kernel counts in (proc(5), `USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// CPU time (user and system) of a process so far; zero when it is gone.
pub fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the command's name, which may hold anything, the 12th and 13th fields are the times.
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// Memory that a process holds (resident set), and the most that it has held at a time, MiB; zero when it is gone.
pub fn memory_mib(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    };
    (of("VmRSS:"), of("VmHWM:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let me = std::process::id();
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(200) {}
        assert!(cpu(me) > Duration::ZERO);
        let (now, most) = memory_mib(me);
        assert!(now > 1.0 && most >= now);
        assert_eq!(cpu(u32::MAX), Duration::ZERO);
    }
}

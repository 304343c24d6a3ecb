//! The allocator of the daemon.

use std::path::Path;

use crate::support::exchange::Exchange;

#[test]
fn the_allocator_gives_back_what_is_free_by_threads_of_its_own() {
    let exchange = Exchange::start();
    let tasks = Path::new("/proc").join(exchange.pid().to_string()).join("task");
    let name = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
    let names: Vec<String> = std::fs::read_dir(tasks).expect("it runs").filter_map(name).collect();
    assert!(names.iter().any(|name| name.trim() == "jemalloc_bg_thd"), "{names:?}");
}

//! The thread that measures the load of this computer.

use std::io;
use std::thread;
use std::time::Duration;

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::message::{Load, Msg};

const EVERY: Duration = Duration::from_secs(2);

/// Starts measuring on a thread named `monitor`, until `send` says that nobody listens.
///
/// # Errors
///
/// When the system gives no thread.
pub fn start(send: impl Fn(Msg) -> bool + Send + 'static) -> io::Result<()> {
    let body = move || {
        let mut system = System::new();
        let own = sysinfo::get_current_pid().ok();
        loop {
            system.refresh_cpu_usage();
            let pids: Vec<_> = own.into_iter().collect();
            let kind = ProcessRefreshKind::nothing().with_memory();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
            let memory = own.and_then(|pid| system.process(pid)).map_or(0, sysinfo::Process::memory);
            let cpu = system.global_cpu_usage() / 100.0;
            if !send(Msg::Load(Load { cpu, memory, gpu: None, gpu_memory: None })) {
                return;
            }
            thread::sleep(EVERY);
        }
    };
    thread::Builder::new().name("monitor".into()).spawn(body).map(drop)
}

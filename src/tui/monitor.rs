//! The thread that measures the load of the CPU and of the GPU used for training.

use std::io;
use std::thread;
use std::time::Duration;

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::message::{Load, Msg};
use crate::backend::{Choice, Gauge};

const EVERY: Duration = Duration::from_secs(2);

/// Starts measuring on a thread named `monitor`, until `send` returns false (no receiver). `choice` is the device
/// chosen for training.
///
/// # Errors
///
/// When the system gives no thread.
pub fn start(choice: Choice, send: impl Fn(Msg) -> bool + Send + 'static) -> io::Result<()> {
    let body = move || {
        let gauge = gauge(choice).unwrap_or_else(|why| {
            // A missing receiver is noticed below.
            let _ = send(Msg::Noted(format!("GPU load unavailable: {why}")));
            None
        });
        let mut system = System::new();
        let own = sysinfo::get_current_pid().ok();
        loop {
            system.refresh_cpu_usage();
            let pids: Vec<_> = own.into_iter().collect();
            let kind = ProcessRefreshKind::nothing().with_memory();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
            let memory = own.and_then(|pid| system.process(pid)).map_or(0, sysinfo::Process::memory);
            let cpu = system.global_cpu_usage() / 100.0;
            let gpu = gauge.as_ref().and_then(|read| read());
            if !send(Msg::Load(Load { cpu, memory, gpu })) {
                return;
            }
            thread::sleep(EVERY);
        }
    };
    thread::Builder::new().name("monitor".into()).spawn(body).map(drop)
}

/// The load meter of the GPU used for training; `None` for the CPU.
fn gauge(choice: Choice) -> Result<Option<Gauge>, String> {
    match choice.resolve() {
        Ok((device, _)) => device.gauge(),
        // Without a device there is nothing to measure; the error is reported elsewhere.
        Err(_) => Ok(None),
    }
}

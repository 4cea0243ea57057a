//! Job control: whether this process owns the terminal, and suspending it as a shell does.

/// Whether there is a shell that could resume the process; a session leader has none.
pub fn can_sleep() -> bool {
    rustix::process::getsid(None).is_ok_and(|session| session != rustix::process::getpid())
}

/// Whether this process is in the terminal's foreground group: not after `bg`, nor while a shell has suspended it.
/// Changing terminal modes in the background would stop the process with SIGTTOU.
pub fn in_foreground() -> bool {
    // If the group is unknown there is no job-control shell.
    rustix::termios::tcgetpgrp(rustix::stdio::stdin())
        .map_or(true, |group| group == rustix::process::getpgrp())
}

/// Suspends the process group as ctrl-z in a shell does. SIGCONT resumes it and arrives as
/// [`Msg::Woken`](super::message::Msg::Woken).
pub fn sleep() {
    // The group is the process's own, so stopping it is permitted.
    let _ = rustix::process::kill_current_process_group(rustix::process::Signal::STOP);
}

//! Job control: whether the terminal is this process's to change, and being put to sleep and woken by a shell.

/// Whether there is a shell that could wake the process again; a process that leads its session has none.
pub fn can_sleep() -> bool {
    rustix::process::getsid(None).is_ok_and(|session| session != rustix::process::getpid())
}

/// Whether the terminal is this process's to change: it is not after `bg`, nor while a shell that put it to
/// sleep has it. Changing it all the same would put the process to sleep at once.
pub fn in_foreground() -> bool {
    // Without an answer there is no shell that could have it.
    rustix::termios::tcgetpgrp(rustix::stdio::stdin())
        .map_or(true, |group| group == rustix::process::getpgrp())
}

/// Puts the process to sleep as Ctrl-Z in a shell does, with all that belong to its job. It is woken by
/// SIGCONT, which comes as [`Msg::Woken`](super::message::Msg::Woken).
pub fn sleep() {
    // The group is the process's own, so it may be stopped.
    let _ = rustix::process::kill_current_process_group(rustix::process::Signal::STOP);
}

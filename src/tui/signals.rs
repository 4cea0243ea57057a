//! The thread that waits for signals, and the one that notices that the terminal is gone when no signal says
//! so: a child of a process that ignores SIGHUP gets none.

use std::io;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use super::message::Msg;
use super::terminal::give_back;

/// How often the terminal is looked at.
const WATCH: Duration = Duration::from_secs(1);

/// How long the loop may take to end the program after it was asked to.
const PATIENCE: Duration = Duration::from_secs(15);

/// Exit code of SIGHUP, which a hang-up stands for.
const HUNG_UP: u8 = 129;

/// Starts both threads, `signals` and `watchdog`.
///
/// # Errors
///
/// When handlers or threads cannot be had.
pub fn start(send: impl Fn(Msg) -> bool + Clone + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT])?;
    let watch = send.clone();
    let body = move || {
        let mut asked = false;
        for signal in signals.forever() {
            let msg = message(signal);
            if let Msg::EndAsked { code, .. } = msg {
                match asked {
                    false => bound(code),
                    // A terminal that goes away may say so more than once; whoever sends another signal is
                    // out of patience.
                    true if signal == SIGHUP => {}
                    true => exit(code),
                }
                asked = true;
            }
            if !send(msg) {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(body)?;
    let body = move || {
        while !hung_up() {
            thread::sleep(WATCH);
        }
        bound(HUNG_UP);
        watch(Msg::EndAsked { why: "the terminal is gone", code: HUNG_UP });
    };
    thread::Builder::new().name("watchdog".into()).spawn(body).map(drop)
}

/// Ends the process after a while, for the case that the loop does not: it may hang in a write to a terminal
/// that is gone.
fn bound(code: u8) {
    // Without a thread there is no bound, but the loop has been asked.
    let _ = thread::Builder::new().name("patience".into()).spawn(move || {
        thread::sleep(PATIENCE);
        exit(code);
    });
}

fn exit(code: u8) -> ! {
    give_back();
    std::process::exit(code.into())
}

fn message(signal: i32) -> Msg {
    match signal {
        SIGTSTP => Msg::SleepAsked,
        SIGCONT => Msg::Woken,
        SIGINT => Msg::EndAsked { why: "SIGINT received", code: 130 },
        SIGTERM => Msg::EndAsked { why: "SIGTERM received", code: 143 },
        _ => Msg::EndAsked { why: "the terminal was closed", code: HUNG_UP },
    }
}

/// Whether the terminal that is written to has gone. Standard input would not tell: a shell gives a program
/// in the background another one.
fn hung_up() -> bool {
    let stdout = rustix::stdio::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut fds, Some(&none)) {
        Ok(_) => fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(_) => false,
    }
}

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
/// SIGCONT, which comes as [`Msg::Woken`].
pub fn sleep() {
    // The group is the process's own, so it may be stopped.
    let _ = rustix::process::kill_current_process_group(rustix::process::Signal::STOP);
}

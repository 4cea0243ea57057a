//! The thread that reads the terminal. It has nothing else to do: reading may never come back when the
//! terminal goes away.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossterm::event::{self, Event, KeyEventKind};

use super::message::Msg;

/// Starts reading on a thread named `input`, until `send` says that nobody listens.
///
/// # Errors
///
/// When the system gives no thread.
pub fn start(send: impl Fn(Msg) -> bool + Send + 'static) -> io::Result<()> {
    let body = move || {
        let read = || {
            while let Ok(event) = event::read() {
                if message(event).is_some_and(|msg| !send(msg)) {
                    return;
                }
            }
        };
        // However it ends: a program that no longer hears its keys must not stay.
        let _ = catch_unwind(AssertUnwindSafe(read));
        send(Msg::EndAsked { why: "the terminal cannot be read", code: 129 });
    };
    thread::Builder::new().name("input".into()).spawn(body).map(drop)
}

fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Msg::Key(key)),
        Event::Mouse(mouse) => Some(Msg::Mouse(mouse)),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(columns, rows) => Some(Msg::Resize(columns, rows)),
        _ => None,
    }
}

//! The thread that reads terminal input. It does nothing else, because a read may block forever once the terminal is
//! gone.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossterm::event::{self, Event, KeyEventKind};

use super::message::Msg;

/// Starts reading on a thread named `input`, until `send` returns false (no receiver).
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
        // A program without input cannot be controlled: end it, however reading ended.
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

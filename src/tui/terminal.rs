//! Terminal set-up, and its restoration on every exit path.

use std::backtrace::Backtrace;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, SetTitle,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{clipboard::CopyToClipboard, cursor, execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};

use super::job::in_foreground;
use crate::backend::fault;

/// Whether the terminal is set up for the workbench, for the panic hook.
static TAKEN: AtomicBool = AtomicBool::new(false);

type Backend = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// The terminal in use by the workbench. Dropping it restores the terminal.
pub struct Tty {
    /// Never dropped: on a closed terminal its drop would print to stderr and panic. [`give_back`] does the restoring.
    screen: ManuallyDrop<Backend>,
    mouse: bool,
    title: String,
    /// The Linux console prints title and notification sequences as text.
    is_console: bool,
}

/// Whether stdin and stdout are a terminal capable of drawing.
pub fn is_possible() -> bool {
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}

impl Tty {
    /// Sets up the terminal: raw mode, alternate screen, bracketed paste, mouse capture if wanted.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be set up; it is restored then.
    pub fn take(mouse: bool) -> io::Result<Tty> {
        // The themes handle NO_COLOR; crossterm would drop modifiers along with colours.
        crossterm::style::force_color_output(true);
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        let is_console = std::env::var("TERM").is_ok_and(|term| term == "linux");
        let mut tty = Tty {
            screen: ManuallyDrop::new(Terminal::new(backend)?),
            mouse,
            title: String::new(),
            is_console,
        };
        tty.enter()?;
        Ok(tty)
    }

    /// Sets up the terminal again after [`Tty::leave`].
    ///
    /// # Errors
    ///
    /// As [`Tty::take`].
    pub fn enter(&mut self) -> io::Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        execute!(self.out(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        self.set_mouse(self.mouse)?;
        self.title.clear();
        self.redraw()
    }

    /// Restores the terminal until [`Tty::enter`].
    pub fn leave(&mut self) {
        give_back();
    }

    /// Turns mouse capture on or off.
    ///
    /// # Errors
    ///
    /// When the terminal is closed.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        match on {
            true => execute!(self.out(), EnableMouseCapture),
            false => execute!(self.out(), DisableMouseCapture),
        }
    }

    /// Columns and rows.
    ///
    /// # Errors
    ///
    /// When the terminal is closed.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.screen.size()?;
        Ok((size.width, size.height))
    }

    /// Draws a frame and sets the window title in one synchronised update.
    ///
    /// # Errors
    ///
    /// When the terminal is closed.
    pub fn draw(&mut self, title: &str, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.out(), BeginSynchronizedUpdate)?;
        if self.title != title && !self.is_console {
            title.clone_into(&mut self.title);
            queue!(self.out(), SetTitle(printable(title)))?;
        }
        self.screen.draw(view)?;
        execute!(self.out(), EndSynchronizedUpdate)
    }

    /// Forces the next frame to be drawn completely.
    ///
    /// # Errors
    ///
    /// When the terminal is closed.
    pub fn redraw(&mut self) -> io::Result<()> {
        // `clear` would query the cursor position and wait for a reply that the input thread consumes; a resize clears
        // without a query.
        let (width, height) = self.size()?;
        self.screen.resize(Rect::new(0, 0, width, height))
    }

    /// Copies a text to the clipboard (OSC 52), which many terminals support even over ssh.
    ///
    /// # Errors
    ///
    /// When the terminal is closed.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.out(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Rings the bell and sends a desktop notification where supported (OSC 9).
    ///
    /// # Errors
    ///
    /// When the terminal is closed.
    pub fn notify(&mut self, text: &str) -> io::Result<()> {
        match self.is_console {
            true => write!(self.out(), "\x07")?,
            false => write!(self.out(), "\x07\x1b]9;{}\x07", printable(text))?,
        }
        self.out().flush()
    }

    fn out(&mut self) -> &mut CrosstermBackend<BufWriter<Stdout>> {
        self.screen.backend_mut()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        give_back();
    }
}

/// Restores the terminal, once. Errors are ignored: the terminal may be closed.
pub(super) fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show,
        SetTitle("")
    );
    if in_foreground() {
        let _ = disable_raw_mode();
    }
}

/// Logs every panic with its backtrace to `log`. A panic of this thread also restores the terminal and prints the
/// message with the name of the log; panics of other threads are reported by the code that catches them.
pub fn set_panic_hook(log: impl Fn(&str) + Send + Sync + 'static, name: String) {
    fault::pass_failures_to_log();
    let (ui, before) = (thread::current().id(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        let thread = thread::current();
        if thread.id() == ui {
            give_back();
            before(panic);
            // The terminal may be closed.
            let _ = writeln!(io::stderr(), "see {name} for details");
        }
        let way = Backtrace::force_capture();
        log(&format!("{}: {panic}\n{way}", thread.name().unwrap_or("a thread")));
    }));
}

/// The text without characters that would end or change a control sequence.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

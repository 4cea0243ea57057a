//! The terminal: taken with all its modes, and given back whatever happens.

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

use super::signals::in_foreground;
use crate::backend::fault;

/// Whether the terminal is taken, for the panic hook.
static TAKEN: AtomicBool = AtomicBool::new(false);

type Screen = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// The terminal while the workbench has it. Dropping it gives the terminal back.
pub struct Tty {
    /// Never dropped: it would complain on standard error about a terminal that is gone, and panic because
    /// that is gone too. What it would restore, [`give_back`] does.
    screen: ManuallyDrop<Screen>,
    mouse: bool,
    title: String,
    /// The console of Linux would show titles and notifications as text.
    is_console: bool,
}

/// Whether standard input and output are a terminal that can be drawn on.
pub fn is_possible() -> bool {
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}

impl Tty {
    /// Takes the terminal: raw mode, a screen of its own, pasted texts in one piece, the mouse if wanted.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be taken; it is given back then.
    pub fn take(mouse: bool) -> io::Result<Tty> {
        // Our themes keep NO_COLOR themselves; this library would drop modifiers along with colours.
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

    /// Takes the terminal again after [`Tty::leave`].
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

    /// Gives the terminal back until [`Tty::enter`].
    pub fn leave(&mut self) {
        give_back();
    }

    /// Takes the mouse, or leaves it to the terminal for selecting text.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
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
    /// When the terminal is gone.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.screen.size()?;
        Ok((size.width, size.height))
    }

    /// Draws a frame and the window's title in one update of the terminal.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub fn draw(&mut self, title: &str, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.out(), BeginSynchronizedUpdate)?;
        if self.title != title && !self.is_console {
            title.clone_into(&mut self.title);
            queue!(self.out(), SetTitle(printable(title)))?;
        }
        self.screen.draw(view)?;
        execute!(self.out(), EndSynchronizedUpdate)
    }

    /// Forgets what is on the screen, so that the next frame is drawn whole.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub fn redraw(&mut self) -> io::Result<()> {
        // Clearing would ask the terminal where the cursor is, and wait for an answer that the input thread
        // takes; a new size clears without a question.
        let (width, height) = self.size()?;
        self.screen.resize(Rect::new(0, 0, width, height))
    }

    /// Puts a text into the clipboard (OSC 52), which many terminals pass on even over ssh.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.out(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Rings, and shows a notification where the terminal can (OSC 9).
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
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

/// Gives the terminal back, once. What fails is passed over: the terminal may be gone.
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

/// Every panic goes to `log`, with the way that led to it. One of this thread also gives the terminal back,
/// and is reported there with the name of the log; one of another thread leaves the terminal alone: what
/// catches it reports it.
pub fn set_panic_hook(log: impl Fn(&str) + Send + Sync + 'static, name: String) {
    fault::keeps_log();
    let (ui, before) = (thread::current().id(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        let thread = thread::current();
        if thread.id() == ui {
            give_back();
            before(panic);
            // The terminal may be gone.
            let _ = writeln!(io::stderr(), "see {name} for details");
        }
        let way = Backtrace::force_capture();
        log(&format!("{}: {panic}\n{way}", thread.name().unwrap_or("a thread")));
    }));
}

/// Without characters that would end or change a control sequence.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

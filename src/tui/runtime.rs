//! The main loop: receives messages, draws frames, carries out effects. Slow work happens on other threads.

mod launch;
mod log;

use std::env;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::app::{App, Start};
use super::keymap::{self, Keymap};
use super::message::{Effect, Msg};
use super::settings::{self, Settings};
use super::terminal::{self, Tty};
use super::theme::{Charset, Depth, Theme};
use super::worker::{Context, Data, Workers};
use super::{input, job, monitor, signals, view};
use crate::backend::Choice;
use crate::paths::Paths;
use crate::run::{Manifest, Store};
use crate::session::{Command, Remote};
use log::Log;

/// Minimum time between frames caused by training events: every frame takes CPU time from training.
const FRAME: Duration = Duration::from_millis(125);

/// Minimum time between frames after user input, which must be answered quickly.
const PROMPT: Duration = Duration::from_millis(8);

/// Period of the clock.
const TICK: Duration = Duration::from_millis(250);

/// Time that a session may take to save its checkpoint when quitting.
const PATIENCE: Duration = Duration::from_secs(10);

/// Maximum number of messages handled between frames.
const BURST: usize = 500;

/// Start options; `None` means the saved setting.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directories of the user.
    pub paths: Paths,
    /// The device for training.
    pub device: Choice,
    /// Colours.
    pub theme: Option<Theme>,
    /// Characters.
    pub charset: Option<Charset>,
    /// Whether to capture the mouse.
    pub mouse: Option<bool>,
}

/// Why the workbench cannot run.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no terminal.
    #[error("the workbench needs a terminal; without one, train with: cleave train digits")]
    NoTerminal,
    /// The key file is invalid.
    #[error(transparent)]
    Keys(#[from] keymap::Error),
    /// The settings are invalid, or a file cannot be read.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// The terminal or the operating system reported an error.
    #[error("terminal or system error: {0}")]
    Io(#[from] io::Error),
}

/// Runs the workbench in this terminal until the user quits; returns the exit code.
///
/// # Errors
///
/// When there is no terminal, a file of the user is invalid, or a thread cannot be started. The terminal is restored
/// in any case.
pub fn run(options: &Options) -> Result<u8, Error> {
    if !terminal::is_possible() {
        return Err(Error::NoTerminal);
    }
    let start = start(options)?;
    let log = Log::open(&start.log);
    let panics = log.clone();
    terminal::set_panic_hook(move |panic| panics.line(panic), start.log.display().to_string());
    let context = Context {
        store: Store::new(&options.paths),
        paths: options.paths.clone(),
        device: options.device,
        data: Data::default(),
    };
    let (outbox, inbox) = channel();
    let tty = Tty::take(start.settings.mouse)?;
    let (app, first) = App::new(Start { size: tty.size()?, ..start });
    let mut runtime = Runtime {
        app,
        tty,
        workers: None,
        context,
        outbox,
        remote: None,
        begun: Instant::now(),
        log,
        ending: None,
        asleep: false,
        prompt: false,
    };
    // Draw the first frame before anything slow.
    runtime.draw();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.begin(first)?;
        runtime.run(&inbox)
    }));
    if ended.is_err() {
        runtime.rescue(&inbox);
    }
    drop(runtime);
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Reads settings, key file and environment.
fn start(options: &Options) -> Result<Start, Error> {
    let variable = |name: &str| env::var(name).ok();
    let config = &options.paths.config;
    let kept = Settings::read(config)?;
    let keys = config.join(keymap::KEY_FILE);
    let keymap = match settings::read(&keys)? {
        Some(text) => Keymap::read(&text, &keys)?,
        None => Keymap::default(),
    };
    let settings = Settings {
        theme: options.theme.unwrap_or(kept.theme),
        charset: options.charset.or(kept.charset),
        mouse: options.mouse.unwrap_or(kept.mouse),
    };
    Ok(Start {
        settings,
        keymap,
        detected: Charset::detect(variable),
        depth: Depth::detect(variable),
        can_sleep: job::can_sleep(),
        log: options.paths.data.join("workbench.log"),
        size: (0, 0),
    })
}

/// Input of the loop.
enum Incoming {
    Msg(Msg),
    /// A session started; its events follow.
    Session(Box<Manifest>, Remote),
}

struct Runtime {
    app: App,
    tty: Tty,
    workers: Option<Workers>,
    context: Context,
    outbox: Sender<Incoming>,
    remote: Option<Remote>,
    begun: Instant,
    log: Log,
    /// Exit code, and the deadline for the session to end; set while quitting.
    ending: Option<(u8, Instant)>,
    /// Suspended: the terminal belongs to the shell until the process is resumed.
    asleep: bool,
    /// The next frame answers user input.
    prompt: bool,
}

impl Runtime {
    /// Starts the threads and carries out the first effects.
    fn begin(&mut self, first: Vec<Effect>) -> io::Result<()> {
        let send = {
            let outbox = self.outbox.clone();
            move |msg| outbox.send(Incoming::Msg(msg)).is_ok()
        };
        signals::start(send.clone())?;
        input::start(send.clone())?;
        monitor::start(self.context.device, send.clone())?;
        self.find_device()?;
        self.workers = Some(Workers::start(&self.context, send)?);
        self.carry_out(first);
        Ok(())
    }

    fn run(&mut self, inbox: &Receiver<Incoming>) -> Result<u8, Error> {
        let mut drawn = Instant::now();
        let mut tick = drawn + TICK;
        loop {
            let pause = if self.prompt { PROMPT } else { FRAME };
            let next = if self.app.dirty { tick.min(drawn + pause) } else { tick };
            match inbox.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    self.receive(first);
                    // Handle everything else that has arrived before drawing.
                    inbox.try_iter().take(BURST).for_each(|next| self.receive(next));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(1),
            }
            if Instant::now() >= tick {
                tick = Instant::now() + TICK;
                self.take(Msg::Tick(self.begun.elapsed()));
                if self.asleep && job::in_foreground() {
                    self.take(Msg::Woken);
                }
            }
            if let Some(code) = self.end() {
                return Ok(code);
            }
            let pause = if self.prompt { PROMPT } else { FRAME };
            if self.app.dirty && drawn.elapsed() >= pause {
                self.draw();
                drawn = Instant::now();
            }
        }
    }

    fn receive(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Msg(msg) => self.take(msg),
            Incoming::Session(manifest, mut remote) => {
                // The user quit while the run was being prepared.
                if self.ending.is_some() {
                    remote.send(Command::Stop);
                }
                if let Some(before) = self.remote.replace(remote) {
                    before.join();
                }
                self.take(Msg::SessionStarted(manifest));
            }
        }
    }

    fn take(&mut self, msg: Msg) {
        #[cfg(test)]
        tests::fault(&msg);
        self.prompt |=
            matches!(msg, Msg::Key(_) | Msg::Mouse(_) | Msg::Paste(_) | Msg::Resize(..) | Msg::Reply(_));
        if let Msg::Woken = msg {
            // It was resumed in the background, or only to be ended.
            if !job::in_foreground() {
                self.asleep = true;
                return;
            }
            self.asleep = false;
            // When stopped from outside, the terminal was not restored, and a shell may have changed its modes.
            self.tty.leave();
            let entered = self.tty.enter();
            self.log.failure("set up the terminal again", entered);
        }
        let effects = self.app.update(msg);
        self.carry_out(effects);
        self.log.notices(&self.app.notices.take_new());
    }

    /// Draws a frame. A closed terminal is handled by the watchdog.
    fn draw(&mut self) {
        self.prompt = false;
        let Runtime { app, tty, .. } = self;
        app.dirty = false;
        if self.asleep {
            return;
        }
        let mut hits = None;
        let drawn = tty.draw(&app.title(), |frame| {
            hits = Some(view::view(app, frame));
            app.shared.depth.degrade(frame.buffer_mut());
        });
        app.hits = hits.unwrap_or_default();
        self.log.failure("draw", drawn);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let done = match effect {
                Effect::Quit(code) => self.begin_to_end(code),
                Effect::Abort(code) => {
                    self.ending = Some((code, Instant::now()));
                    Ok(())
                }
                Effect::Suspend => self.suspend(),
                Effect::Redraw => self.tty.redraw(),
                Effect::Launch(launch) => launch::launch(self.context.clone(), *launch, self.outbox.clone()),
                Effect::Send(command) => {
                    self.send(command);
                    Ok(())
                }
                Effect::Job(job) => {
                    self.workers.iter().for_each(|workers| workers.job((*job).clone()));
                    Ok(())
                }
                Effect::Copy(text) => self.tty.copy(&text),
                Effect::Notify(_, text) => self.tty.notify(&text),
                Effect::Mouse(on) => self.tty.set_mouse(on),
                Effect::Log(line) => {
                    self.log.line(&line);
                    Ok(())
                }
                // The app handles these itself.
                Effect::Toast(_) | Effect::Go(_) | Effect::Do(_) => Ok(()),
            };
            self.log.failure("carry out an effect", done);
        }
    }

    fn send(&mut self, command: Command) {
        if let Some(remote) = &mut self.remote {
            remote.send(command);
        }
    }

    /// Restores the terminal and suspends the process, including training. The resume signal arrives as a message; until
    /// then the terminal is not touched.
    fn suspend(&mut self) -> io::Result<()> {
        if job::can_sleep() {
            self.asleep = true;
            self.tty.leave();
            job::sleep();
        }
        Ok(())
    }

    /// Finds the device on its own thread, which can take seconds.
    fn find_device(&self) -> io::Result<()> {
        let (choice, outbox) = (self.context.device, self.outbox.clone());
        let body = move || {
            let (name, note) = match choice.resolve() {
                Ok((device, note)) => (device.to_string(), note),
                Err(error) => ("no device".into(), Some(error.to_string())),
            };
            // A missing receiver means that the program is quitting.
            let _ = outbox.send(Incoming::Msg(Msg::Device { name, note }));
        };
        thread::Builder::new().name("device".into()).spawn(body).map(drop)
    }

    fn begin_to_end(&mut self, code: u8) -> io::Result<()> {
        if self.ending.is_none() {
            self.send(Command::Stop);
            self.ending = Some((code, Instant::now() + PATIENCE));
        }
        Ok(())
    }

    /// The exit code, if it is time to exit.
    fn end(&mut self) -> Option<u8> {
        let (code, until) = self.ending?;
        let done = !self.app.shared.is_training();
        if done && let Some(remote) = self.remote.take() {
            remote.join();
        }
        (done || Instant::now() >= until).then_some(code)
    }

    /// After a panic of the loop: the terminal is already restored; lets the session save its checkpoint.
    fn rescue(&mut self, inbox: &Receiver<Incoming>) {
        let Some(mut remote) = self.remote.take() else { return };
        remote.send(Command::Stop);
        let until = Instant::now() + PATIENCE;
        while let Ok(incoming) = inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if matches!(&incoming, Incoming::Msg(Msg::Session(event)) if event.is_end()) {
                return remote.join();
            }
        }
    }
}

#[cfg(test)]
mod tests;

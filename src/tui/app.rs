//! The state of the workbench and how messages change it. This module uses no thread, file or terminal.

mod input;
mod leave;
mod news;

use std::path::PathBuf;
use std::time::Duration;

use super::action::Screen;
use super::dashboard::Dashboard;
use super::global_form::GlobalForm;
use super::help::Help;
use super::hits::Hits;
use super::home::Home;
use super::keymap::Keymap;
use super::live::Live;
use super::message::{Effect, Load, Msg};
use super::modules::Modules;
use super::notices::{Notices, Tone};
use super::palette::Palette;
use super::settings::Settings;
use super::shared::Shared;
use super::theme::{Charset, Depth, Theme};
use super::widget::Dialog;

pub use leave::Leaving;

/// What is known at start.
#[derive(Clone, Debug)]
pub struct Start {
    /// The saved settings.
    pub settings: Settings,
    /// The key bindings.
    pub keymap: Keymap,
    /// The character set that the terminal supports.
    pub detected: Charset,
    /// The colour depth that the terminal supports and the user permits.
    pub depth: Depth,
    /// Whether a shell can resume the program after it was suspended.
    pub can_sleep: bool,
    /// Path of the log file.
    pub log: PathBuf,
    /// Terminal size in columns and rows.
    pub size: (u16, u16),
}

/// A box over the screen that receives all keys.
#[derive(Debug)]
pub enum Overlay {
    /// The help page.
    Help(Help),
    /// The command palette.
    Palette(Palette),
    /// The question whether to quit.
    Quit(Dialog),
    /// A message.
    Message(Dialog),
    /// A form that is available on every screen.
    Form(Box<GlobalForm>),
}

/// The message of a failed run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// What happened, and whether a checkpoint remains.
    pub text: String,
    /// The log file with details.
    pub log: String,
}

/// The complete state.
#[derive(Debug)]
pub struct App {
    /// State shared by all screens.
    pub shared: Shared,
    /// The current screen.
    pub screen: Screen,
    /// The run list.
    pub home: Home,
    /// The training dashboard.
    pub dashboard: Dashboard,
    /// The modules screen.
    pub modules: Modules,
    /// Clickable areas of the current frame.
    pub hits: Hits,
    /// The box over the screen.
    pub overlay: Option<Overlay>,
    /// Toasts and log.
    pub notices: Notices,
    /// Whether the log pane is open.
    pub log_open: bool,
    /// Why the last run failed, until the user has dismissed it.
    pub banner: Option<Banner>,
    /// Description of the run being prepared for training.
    pub launching: Option<String>,
    /// Number of unfinished jobs that quitting would discard.
    pub unfinished: usize,
    /// Set while the program is quitting.
    pub leaving: Option<Leaving>,
    /// Whether the screen must be redrawn.
    pub dirty: bool,
    start: Start,
    settings: Settings,
    /// Time of the last ctrl-c.
    interrupted: Option<Duration>,
}

/// Calls a method of the current screen.
macro_rules! with_screen {
    ($app:expr, $current:expr, $screen:ident, $shared:ident => $body:expr) => {{
        let $shared = &mut $app.shared;
        match $current {
            Screen::Dashboard => {
                let $screen = &mut $app.dashboard;
                $body
            }
            Screen::Modules => {
                let $screen = &mut $app.modules;
                $body
            }
            Screen::Home | Screen::Everywhere => {
                let $screen = &mut $app.home;
                $body
            }
        }
    }};
}
use with_screen;

impl App {
    /// The initial state and the first effects.
    pub fn new(start: Start) -> (App, Vec<Effect>) {
        let settings = start.settings;
        let mut app = App {
            shared: Shared {
                theme: if start.depth == Depth::None { Theme::Mono } else { settings.theme },
                depth: start.depth,
                charset: settings.charset.unwrap_or(start.detected),
                size: start.size,
                now: Duration::ZERO,
                device: None,
                runs: None,
                marked: Vec::new(),
                open: None,
                live: None,
                load: Load::default(),
                keymap: start.keymap.clone(),
            },
            screen: Screen::Home,
            home: Home::default(),
            dashboard: Dashboard::default(),
            modules: Modules::default(),
            hits: Hits::default(),
            overlay: None,
            notices: Notices::default(),
            log_open: false,
            banner: None,
            launching: None,
            unfinished: 0,
            leaving: None,
            dirty: true,
            start,
            settings,
            interrupted: None,
        };
        let effects = app.go(Screen::Home);
        let effects = app.apply_effects(effects);
        (app, effects)
    }

    /// Applies a message.
    pub fn update(&mut self, msg: Msg) -> Vec<Effect> {
        self.dirty |= !matches!(msg, Msg::Tick(_));
        let effects = match msg {
            Msg::Key(key) => self.key(key),
            Msg::Mouse(mouse) => self.mouse(mouse),
            Msg::Paste(text) => self.paste(&text),
            Msg::Resize(columns, rows) => {
                self.shared.size = (columns, rows);
                Vec::new()
            }
            Msg::Tick(now) => {
                self.tick(now);
                Vec::new()
            }
            Msg::EndAsked { why, code } => self.end_asked(why, code),
            Msg::SleepAsked => vec![Effect::Suspend],
            Msg::Woken => {
                self.say(Tone::Quiet, "resumed after suspension");
                vec![Effect::Redraw]
            }
            Msg::Device { name, note } => {
                if let Some(note) = &note {
                    self.say(Tone::Quiet, note);
                }
                self.shared.device = Some((name, note));
                Vec::new()
            }
            Msg::SessionStarted(manifest) => {
                self.launching = None;
                self.home.started();
                // The quit question depends on whether a run trains: ask again.
                self.overlay.take_if(|overlay| matches!(overlay, Overlay::Quit(_)));
                self.banner = None;
                self.shared.open = None;
                self.shared.live = Some(Live::new(*manifest));
                self.go(Screen::Dashboard)
            }
            Msg::Session(event) => self.session(&event),
            Msg::Reply(reply) => self.reply(*reply),
            Msg::Load(load) => {
                self.shared.load = load;
                Vec::new()
            }
            Msg::Noted(text) => {
                self.say(Tone::Quiet, &text);
                Vec::new()
            }
        };
        self.apply_effects(effects)
    }

    /// The settings to save.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The title of the terminal window.
    pub fn title(&self) -> String {
        let Some(live) = &self.shared.live else { return "cleave".into() };
        let epoch = live.last_epoch.as_ref();
        let accuracy = epoch.map(|epoch| format!(", accuracy {:.1} %", 100.0 * epoch.valid.accuracy));
        let epoch = epoch.map(|epoch| format!(", epoch {}", epoch.epoch));
        format!("cleave: {}{}{}", live.run(), epoch.unwrap_or_default(), accuracy.unwrap_or_default())
    }

    /// Shows a message, which also goes to the log file.
    fn say(&mut self, tone: Tone, text: &str) {
        self.notices.say(self.shared.now, tone, text);
    }

    /// Advances the clock. The screen is redrawn at most once a second for it.
    fn tick(&mut self, now: Duration) {
        let expired = self.notices.expire(now);
        self.dirty |= expired || now.as_secs() != self.shared.now.as_secs();
        self.shared.now = now;
    }

    /// Switches to a screen.
    fn go(&mut self, screen: Screen) -> Vec<Effect> {
        self.screen = screen;
        with_screen!(self, screen, screen, shared => screen.enter(shared))
    }

    /// Applies the effects that concern only the state; returns the others for the runtime.
    fn apply_effects(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut kept = Vec::new();
        for effect in effects {
            match effect {
                Effect::Go(screen) => {
                    let more = self.go(screen);
                    kept.extend(self.apply_effects(more));
                }
                Effect::Do(action) => {
                    let more = self.act(action);
                    kept.extend(self.apply_effects(more));
                }
                Effect::Toast(text) => self.say(Tone::Plain, &text),
                // The sender already took the command's revision from the live run.
                Effect::Send(_) if !self.shared.is_training() => self.say(Tone::Warn, "no run is training"),
                Effect::Launch(launch) => match self.no_launch() {
                    Some(why) => self.say(Tone::Warn, &why),
                    None => {
                        self.launching = Some(launch.what());
                        self.say(Tone::Plain, &format!("preparing {}", launch.what()));
                        kept.push(Effect::Launch(launch));
                    }
                },
                Effect::Notify(tone, text) => {
                    self.say(tone, &text);
                    kept.push(Effect::Notify(tone, text));
                }
                Effect::Job(job) => {
                    self.unfinished += usize::from(job.is_awaited());
                    kept.push(Effect::Job(job));
                }
                Effect::Copy(text) => {
                    self.say(Tone::Good, &format!("copied: {text}"));
                    kept.push(Effect::Copy(text));
                }
                other => kept.push(other),
            }
        }
        kept
    }

    /// Why no run can be launched now.
    fn no_launch(&self) -> Option<String> {
        match (&self.launching, &self.shared.live) {
            (Some(what), _) => Some(format!("{what} is in preparation")),
            (None, Some(live)) if live.ended.is_none() => {
                Some(format!("{} is training: stop it first", live.run()))
            }
            _ if self.leaving.is_some() => Some("the program is quitting".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

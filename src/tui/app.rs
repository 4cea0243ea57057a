//! The state of the workbench and what a message does to it. No thread, file or terminal is touched here.

mod input;
mod leave;
mod news;

use std::path::PathBuf;
use std::time::Duration;

use super::action::Place;
use super::ask::Ask;
use super::dashboard::Dashboard;
use super::help::Help;
use super::hits::Hits;
use super::home::Home;
use super::keymap::Keymap;
use super::live::Live;
use super::message::{Effect, Load, Msg};
use super::modules::Modules;
use super::palette::Palette;
use super::say::{Tone, Voice};
use super::settings::Settings;
use super::shared::Shared;
use super::theme::{Charset, Depth, Theme};
use super::widget::Dialog;

pub use leave::Leaving;

/// What the program knows when it starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// What was kept from the last time.
    pub settings: Settings,
    /// Which key does what.
    pub keymap: Keymap,
    /// The characters that the terminal can show.
    pub detected: Charset,
    /// The colours that the terminal has, and may be used.
    pub depth: Depth,
    /// Whether a shell can wake the program after it slept.
    pub can_sleep: bool,
    /// Where the log is written.
    pub log: PathBuf,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
}

/// What lies over the screen and takes the keys.
#[derive(Debug)]
pub enum Overlay {
    /// The help page.
    Help(Help),
    /// The command palette.
    Palette(Palette),
    /// Whether to leave.
    Quit(Dialog),
    /// Something to read.
    Message(Dialog),
    /// A form that belongs to no screen.
    Ask(Box<Ask>),
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// What happened, and what is left.
    pub text: String,
    /// The file that says more.
    pub log: String,
}

/// The whole state.
#[derive(Debug)]
pub struct App {
    /// What all screens know.
    pub shared: Shared,
    /// The screen in sight.
    pub place: Place,
    /// The list of runs.
    pub home: Home,
    /// The training dashboard.
    pub dashboard: Dashboard,
    /// The modules screen.
    pub modules: Modules,
    /// Where the frame on the screen takes the mouse.
    pub hits: Hits,
    /// What lies over the screen.
    pub overlay: Option<Overlay>,
    /// Toasts and log.
    pub voice: Voice,
    /// Whether the log pane is open.
    pub log_open: bool,
    /// Why the last run failed, until the person has seen it.
    pub banner: Option<Banner>,
    /// What is being prepared for training.
    pub launching: Option<String>,
    /// How much of the work that leaving would discard is not done.
    pub unfinished: usize,
    /// Set once the program is on its way out.
    pub leaving: Option<Leaving>,
    /// Whether the frame on the screen is out of date.
    pub dirty: bool,
    start: Start,
    settings: Settings,
    /// When ctrl-c was pressed last.
    interrupted: Option<Duration>,
}

/// Does something with the screen of a place.
macro_rules! with_screen {
    ($app:expr, $place:expr, $screen:ident, $shared:ident => $body:expr) => {{
        let $shared = &mut $app.shared;
        match $place {
            Place::Dashboard => {
                let $screen = &mut $app.dashboard;
                $body
            }
            Place::Modules => {
                let $screen = &mut $app.modules;
                $body
            }
            Place::Home | Place::Everywhere => {
                let $screen = &mut $app.home;
                $body
            }
        }
    }};
}
use with_screen;

impl App {
    /// The workbench as it starts, and the first things to do.
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
            place: Place::Home,
            home: Home::default(),
            dashboard: Dashboard::default(),
            modules: Modules::default(),
            hits: Hits::default(),
            overlay: None,
            voice: Voice::default(),
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
        let effects = app.go(Place::Home);
        let effects = app.settle(effects);
        (app, effects)
    }

    /// What a message does.
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
                self.say(Tone::Quiet, "awake again");
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
                // Whether to leave is another question now.
                self.overlay.take_if(|overlay| matches!(overlay, Overlay::Quit(_)));
                self.banner = None;
                self.shared.open = None;
                self.shared.live = Some(Live::new(*manifest));
                self.go(Place::Dashboard)
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
        self.settle(effects)
    }

    /// What to keep for the next start.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// What the terminal's title says.
    pub fn title(&self) -> String {
        let Some(live) = &self.shared.live else { return "cleave".into() };
        let epoch = live.last_epoch.as_ref();
        let accuracy = epoch.map(|epoch| format!(", accuracy {:.1} %", 100.0 * epoch.valid.accuracy));
        let epoch = epoch.map(|epoch| format!(", epoch {}", epoch.epoch));
        format!("cleave: {}{}{}", live.run(), epoch.unwrap_or_default(), accuracy.unwrap_or_default())
    }

    /// Says something; the log file gets it too.
    fn say(&mut self, tone: Tone, text: &str) {
        self.voice.say(self.shared.now, tone, text);
    }

    /// Time goes by. The screen changes once a second, if at all.
    fn tick(&mut self, now: Duration) {
        let faded = self.voice.fade(now);
        self.dirty |= faded || now.as_secs() != self.shared.now.as_secs();
        self.shared.now = now;
    }

    /// Goes to a screen.
    fn go(&mut self, place: Place) -> Vec<Effect> {
        self.place = place;
        with_screen!(self, place, screen, shared => screen.enter(shared))
    }

    /// Carries out the effects that are the state's own business; gives the others, for the runtime.
    fn settle(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut kept = Vec::new();
        for effect in effects {
            match effect {
                Effect::Go(place) => {
                    let more = self.go(place);
                    kept.extend(self.settle(more));
                }
                Effect::Do(action) => {
                    let more = self.act(action);
                    kept.extend(self.settle(more));
                }
                Effect::Toast(text) => self.say(Tone::Plain, &text),
                // Whoever sends a command has taken its number from the live run already.
                Effect::Send(_) if !self.shared.is_training() => {
                    self.say(Tone::Warn, "no run is in training")
                }
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

    /// Why nothing can be launched now.
    fn no_launch(&self) -> Option<String> {
        match (&self.launching, &self.shared.live) {
            (Some(what), _) => Some(format!("{what} is being prepared")),
            (None, Some(live)) if live.ended.is_none() => {
                Some(format!("{} is in training here: stop it first", live.run()))
            }
            _ if self.leaving.is_some() => Some("the program is on its way out".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

//! Routing of keys, mouse and pasted text, and the actions that are available on every screen.

use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::{App, Overlay, with_screen};
use crate::preset::embedded;
use crate::tui::action::{Action, Screen};
use crate::tui::global_form::{self, GlobalForm};
use crate::tui::help::Help;
use crate::tui::hits::Target;
use crate::tui::message::{Effect, Job};
use crate::tui::notices::Tone;
use crate::tui::palette::{self, Choice, Palette};
use crate::tui::prompt::Prompt;
use crate::tui::theme::Depth;
use crate::tui::widget::Answer;

const NO_RUN: &str = "no run is open: open or start one in the run list";

impl App {
    /// Routes a key. Ctrl-c always comes first, so that the user can always quit; then an overlay, then a screen's
    /// text input, then the key map.
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        if key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL {
            return self.interrupt();
        }
        let action = self.shared.keymap.action(self.screen, key);
        if key.modifiers.contains(KeyModifiers::CONTROL)
            && let Some(action @ (Action::Suspend | Action::Redraw)) = action
        {
            return self.act(action);
        }
        // The command line of an open form can be copied.
        if key.modifiers.contains(KeyModifiers::ALT)
            && let Some(action @ Action::CopyCommand) = action
        {
            return self.act(action);
        }
        if self.leaving.is_some() {
            return Vec::new();
        }
        if self.overlay.is_some() {
            return self.overlay_key(key, action);
        }
        if self.takes_text() {
            return with_screen!(self, self.screen, screen, shared => screen.key(key, shared));
        }
        action.map(|action| self.act(action)).unwrap_or_default()
    }

    fn overlay_key(&mut self, key: KeyEvent, action: Option<Action>) -> Vec<Effect> {
        match &mut self.overlay {
            Some(Overlay::Palette(palette)) => {
                let choice = palette.key(key, self.screen);
                self.chosen(choice)
            }
            Some(Overlay::Help(help)) => {
                match action {
                    Some(Action::Back | Action::Help | Action::Quit | Action::Accept) => self.overlay = None,
                    Some(action) => help.scroll(action, self.screen, &self.shared.keymap),
                    None => {}
                }
                Vec::new()
            }
            Some(Overlay::Quit(dialog)) => {
                let answer = dialog.key(key);
                self.quit_answered(answer)
            }
            Some(Overlay::Form(form)) => {
                let answer = form.key(key);
                self.form_answered(answer)
            }
            Some(Overlay::Message(dialog)) => {
                if dialog.key(key) != Answer::Open {
                    self.overlay = None;
                }
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Handles the result of a form that is available on every screen.
    fn form_answered(&mut self, answer: global_form::Answer) -> Vec<Effect> {
        match answer {
            global_form::Answer::Open => Vec::new(),
            global_form::Answer::Done(effects) => {
                self.overlay = None;
                effects
            }
        }
    }

    /// Runs the action chosen in the palette, after switching to its screen.
    pub(super) fn chosen(&mut self, choice: Choice) -> Vec<Effect> {
        match choice {
            Choice::Open => Vec::new(),
            Choice::Closed => {
                self.overlay = None;
                Vec::new()
            }
            Choice::Do(action) => {
                if let Some(why) = self.refusal(action) {
                    self.refused(action, &why);
                    return Vec::new();
                }
                self.overlay = None;
                let screen = action.entry().screen;
                let mut effects = Vec::new();
                if screen != Screen::Everywhere && screen != self.screen {
                    effects.extend(self.go(screen));
                }
                effects.extend(self.act(action));
                effects
            }
        }
    }

    /// Routes pasted text to the focused text input, if any.
    pub(super) fn paste(&mut self, text: &str) -> Vec<Effect> {
        let takes_text = self.leaving.is_none() && self.takes_text();
        match &mut self.overlay {
            Some(Overlay::Palette(palette)) => palette.paste(text),
            Some(Overlay::Form(form)) => form.paste(text),
            Some(_) => {}
            None if takes_text => {
                return with_screen!(self, self.screen, screen, shared => screen.paste(text, shared));
            }
            None => {}
        }
        Vec::new()
    }

    /// Routes a mouse event: first an overlay, then buttons of actions, then the screen.
    pub(super) fn mouse(&mut self, mouse: MouseEvent) -> Vec<Effect> {
        let at = self.hits.at(mouse.column, mouse.row);
        let pressed = mouse.kind == MouseEventKind::Down(MouseButton::Left);
        let scrolls = match mouse.kind {
            MouseEventKind::ScrollUp => Some(Action::Up),
            MouseEventKind::ScrollDown => Some(Action::Down),
            _ => None,
        };
        if self.leaving.is_some() {
            return Vec::new();
        }
        let takes_text = self.takes_text();
        match (&mut self.overlay, at) {
            (Some(Overlay::Quit(dialog)), at) => {
                let answer = dialog.mouse(mouse, at);
                self.quit_answered(answer)
            }
            (Some(Overlay::Message(dialog)), at) => {
                if dialog.mouse(mouse, at) != Answer::Open {
                    self.overlay = None;
                }
                Vec::new()
            }
            (Some(Overlay::Form(form)), at) => {
                let answer = form.mouse(mouse, at);
                self.form_answered(answer)
            }
            (Some(Overlay::Help(help)), _) => {
                match scrolls {
                    Some(action) => help.scroll(action, self.screen, &self.shared.keymap),
                    None if pressed => self.overlay = None,
                    None => {}
                }
                Vec::new()
            }
            (Some(Overlay::Palette(palette)), Some((_, Target::Row(palette::PANE, row)))) if pressed => {
                let choice = palette.choose(row, self.screen);
                self.chosen(choice)
            }
            (Some(Overlay::Palette(palette)), _) => {
                if let Some(action) = scrolls {
                    palette.scroll(action, self.screen);
                }
                Vec::new()
            }
            (None, Some((_, Target::Action(action)))) if pressed && !takes_text => self.act(action),
            (None, at) => with_screen!(self, self.screen, screen, shared => screen.mouse(mouse, at, shared)),
        }
    }

    fn takes_text(&self) -> bool {
        self.screens_prompt().is_some()
    }

    fn screens_prompt(&self) -> Option<Prompt> {
        match self.screen {
            Screen::Dashboard => self.dashboard.prompt(),
            Screen::Modules => self.modules.prompt(),
            Screen::Home | Screen::Everywhere => self.home.prompt(),
        }
    }

    /// What receives the keys instead of the screen.
    pub fn prompt(&self) -> Option<Prompt> {
        match &self.overlay {
            Some(Overlay::Help(_)) => Some(Prompt::Help),
            Some(Overlay::Palette(_)) => Some(Prompt::Palette),
            Some(Overlay::Quit(_) | Overlay::Message(_)) => Some(Prompt::Dialog),
            Some(Overlay::Form(_)) => Some(Prompt::Form),
            None => self.screens_prompt(),
        }
    }

    /// Why an action cannot be done now; `None` if it can.
    pub fn refusal(&self, action: Action) -> Option<String> {
        let screen = match action.entry().screen {
            Screen::Everywhere => self.screen,
            screen => screen,
        };
        match action {
            // These close before anything of the screen.
            Action::Back if self.banner.is_some() || self.log_open => None,
            Action::NextTheme if self.start.depth == Depth::None => {
                Some("NO_COLOR is set, or the terminal has no colours".into())
            }
            Action::Suspend if !self.start.can_sleep => Some("there is no shell to resume it from".into()),
            Action::Report if self.runs_meant().is_empty() => Some(NO_RUN.into()),
            Action::ExportRun if self.run_meant().is_none() => Some(NO_RUN.into()),
            Action::ImportRun => self.no_launch(),
            Action::CopyCommand if self.command_line().is_none() => {
                Some("there is no equivalent command".into())
            }
            _ => match screen {
                Screen::Dashboard => self.dashboard.refusal(action, &self.shared),
                Screen::Modules => self.modules.refusal(action, &self.shared),
                Screen::Home | Screen::Everywhere => self.home.refusal(action, &self.shared),
            },
        }
    }

    /// The run that the current screen shows or selects.
    fn run_meant(&self) -> Option<String> {
        match self.screen {
            Screen::Home | Screen::Everywhere => self.home.selected(&self.shared).map(str::to_owned),
            Screen::Dashboard | Screen::Modules => self.shared.current().map(str::to_owned),
        }
    }

    /// The runs that a global action applies to: the marked ones, or else the current one.
    fn runs_meant(&self) -> Vec<String> {
        let marked = self.shared.marked.clone();
        match self.run_meant() {
            Some(run) if marked.is_empty() || self.screen != Screen::Home && !marked.contains(&run) => {
                std::iter::once(run).chain(marked).collect()
            }
            _ => marked,
        }
    }

    /// The command line equivalent to what is shown.
    pub fn command_line(&self) -> Option<String> {
        if let Some(Overlay::Form(form)) = &self.overlay {
            return Some(form.command_line());
        }
        match self.screen {
            Screen::Dashboard => self.dashboard.command_line(&self.shared),
            Screen::Modules => self.modules.command_line(&self.shared),
            Screen::Home | Screen::Everywhere => self.home.command_line(&self.shared),
        }
    }

    /// The current title of an action: PauseResume is "resume" unless the run trains.
    pub fn title_of(&self, action: Action) -> &'static str {
        match (action, self.screen) {
            (Action::PauseResume, Screen::Dashboard) if !self.dashboard.trains(&self.shared) => "resume",
            _ => action.entry().title,
        }
    }

    fn refused(&mut self, action: Action, why: &str) {
        self.say(Tone::Warn, &format!("{}: {why}", action.entry().title));
    }

    /// Performs an action, or shows why it is unavailable.
    pub(super) fn act(&mut self, action: Action) -> Vec<Effect> {
        if let Some(why) = self.refusal(action) {
            // Pressing esc with nothing open is common and needs no message.
            if action != Action::Back {
                self.refused(action, &why);
            }
            return Vec::new();
        }
        match action {
            Action::Help => self.overlay = Some(Overlay::Help(Help::default())),
            Action::Palette => self.overlay = Some(Overlay::Palette(Palette::default())),
            Action::GoHome => return self.go(Screen::Home),
            Action::GoDashboard => return self.go(Screen::Dashboard),
            Action::GoModules => return self.go(Screen::Modules),
            Action::Quit => return self.quit(),
            Action::Report => {
                self.overlay = Some(Overlay::Form(Box::new(GlobalForm::report(self.runs_meant()))))
            }
            Action::ExportRun => {
                let run = self.run_meant();
                self.overlay = run.map(|run| Overlay::Form(Box::new(GlobalForm::export(&run))));
            }
            Action::ImportRun => {
                let presets = embedded().map(|(name, _)| name.to_owned()).collect();
                self.overlay = Some(Overlay::Form(Box::new(GlobalForm::import(presets))));
                return vec![Effect::Job(Box::new(Job::Presets))];
            }
            Action::Suspend => return vec![Effect::Suspend],
            Action::Redraw => return vec![Effect::Redraw],
            Action::ToggleLog => self.log_open = !self.log_open,
            Action::Back if self.banner.is_some() => self.banner = None,
            Action::Back if self.log_open => self.log_open = false,
            Action::NextTheme | Action::NextCharset | Action::ToggleMouse => return self.set(action),
            Action::CopyCommand => {
                // The copied command line may refer to the run's schedule and preset files.
                let kept = match (&self.overlay, self.screen) {
                    (None, Screen::Dashboard) => self.dashboard.keep(&self.shared),
                    _ => Vec::new(),
                };
                return kept.into_iter().chain(self.command_line().map(Effect::Copy)).collect();
            }
            action => {
                return with_screen!(self, self.screen, screen, shared => screen.act(action, shared));
            }
        }
        Vec::new()
    }

    /// Changes a setting, reports it and saves it.
    fn set(&mut self, action: Action) -> Vec<Effect> {
        let mut effects = Vec::new();
        let text = match action {
            Action::NextTheme => {
                self.shared.theme = self.shared.theme.next();
                self.settings.theme = self.shared.theme;
                format!("theme: {}", self.shared.theme.name())
            }
            Action::NextCharset => {
                self.shared.charset = self.shared.charset.next();
                self.settings.charset = Some(self.shared.charset);
                format!("character set: {}", self.shared.charset.name())
            }
            _ => {
                self.settings.mouse = !self.settings.mouse;
                effects.push(Effect::Mouse(self.settings.mouse));
                let whose = match self.settings.mouse {
                    true => "mouse captured; hold shift to select text",
                    false => "mouse released: the terminal selects text",
                };
                whose.to_owned()
            }
        };
        self.say(Tone::Plain, &text);
        effects.push(Effect::Job(Box::new(Job::SaveSettings(self.settings))));
        effects
    }
}

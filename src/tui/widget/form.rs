//! A form: labelled fields and a submit button.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::field::{Field, Kind};
use super::frame::popup;
use super::text;
use crate::tui::hits::{Hits, Target};
use crate::tui::theme::{Look, Role};

/// The result of a key, click or paste.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormEvent {
    /// Nothing relevant outside the form.
    Open,
    /// The value of the field of this index changed.
    Changed(usize),
    /// The form was submitted and every field is valid.
    Submitted,
    /// The form was cancelled.
    Cancelled,
}

/// A form. Tab, up and down move between fields; enter moves on and submits from the last field, ctrl-s submits from
/// any, esc cancels. It cannot be submitted while a field is invalid.
#[derive(Clone, Debug)]
pub struct Form {
    /// Its title.
    pub title: String,
    /// Its fields.
    pub fields: Vec<Field>,
    /// Index of the focused field; the number of fields stands for the submit button.
    pub focus: usize,
    /// Notes below the fields.
    pub notes: Vec<String>,
    submit: String,
}

impl Form {
    /// A form with these fields; `submit` is the label of the button.
    pub fn new(title: &str, submit: &str, fields: Vec<Field>) -> Self {
        Form { title: title.into(), fields, focus: 0, notes: Vec::new(), submit: submit.into() }
    }

    /// The field with this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field with this name, mutable.
    pub fn field_mut(&mut self, name: &str) -> Option<&mut Field> {
        self.fields.iter_mut().find(|field| field.name == name)
    }

    /// The value of a field as text; empty if there is no such field.
    pub fn value(&self, name: &str) -> String {
        self.field(name).map(Field::value).unwrap_or_default()
    }

    /// The value of a field as a number, if valid.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.field(name)?.as_number()
    }

    /// Whether a field is ticked.
    pub fn ticked(&self, name: &str) -> bool {
        matches!(self.field(name).map(|field| &field.kind), Some(Kind::Check(true)))
    }

    /// Sets the value of a text field; other kinds are unchanged.
    pub fn set_text(&mut self, name: &str, text: &str) {
        if let Some(Kind::Text(input)) = self.field_mut(name).map(|field| &mut field.kind) {
            input.set(text);
        }
    }

    /// Whether every field is valid.
    pub fn is_right(&self) -> bool {
        self.fields.iter().all(|field| field.problem().is_none())
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) -> FormEvent {
        match (key.code, key.modifiers) {
            (KeyCode::Esc, _) => FormEvent::Cancelled,
            (KeyCode::Char('s'), KeyModifiers::CONTROL) => self.submit(),
            (KeyCode::Enter, _) if self.focus >= self.fields.len() => self.submit(),
            (KeyCode::Enter | KeyCode::Tab | KeyCode::Down, _) => self.go(1),
            (KeyCode::BackTab | KeyCode::Up, _) => self.go(self.fields.len()),
            _ => {
                let changed = self.fields.get_mut(self.focus).is_some_and(|field| field.key(key));
                if changed { FormEvent::Changed(self.focus) } else { FormEvent::Open }
            }
        }
    }

    /// Handles pasted text.
    pub fn paste(&mut self, text: &str) -> FormEvent {
        let changed = self.fields.get_mut(self.focus).is_some_and(|field| field.paste(text));
        if changed { FormEvent::Changed(self.focus) } else { FormEvent::Open }
    }

    /// Handles a click: on a field it focuses it and toggles or advances its value; on the button it submits.
    pub fn mouse(&mut self, mouse: MouseEvent, at: Option<(Rect, Target)>) -> FormEvent {
        match (mouse.kind, at) {
            (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Field(index)))) => {
                self.focus = index.min(self.fields.len());
                let space = KeyEvent::new(KeyCode::Char(' '), KeyModifiers::NONE);
                match self.fields.get_mut(index) {
                    Some(field) if matches!(field.kind, Kind::Check(_) | Kind::Choice { .. }) => {
                        if field.key(space) { FormEvent::Changed(index) } else { FormEvent::Open }
                    }
                    _ => FormEvent::Open,
                }
            }
            (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Button(0)))) => self.submit(),
            (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Button(_)))) => FormEvent::Cancelled,
            _ => FormEvent::Open,
        }
    }

    fn go(&mut self, places: usize) -> FormEvent {
        self.focus = (self.focus + places) % (self.fields.len() + 1);
        FormEvent::Open
    }

    fn submit(&mut self) -> FormEvent {
        match self.fields.iter().position(|field| field.problem().is_some()) {
            Some(wrong) => {
                self.focus = wrong;
                FormEvent::Open
            }
            None => FormEvent::Submitted,
        }
    }

    /// Draws the form in the middle of an area.
    pub fn view(&self, look: Look, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let label = self.fields.iter().map(|field| text::width(&field.label)).max().unwrap_or(0).min(24);
        let width = self.notes.iter().map(|note| text::width(note)).max().unwrap_or(0).clamp(58, 90);
        let notes = self.notes.len() + usize::from(!self.notes.is_empty());
        let size = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let height = size(self.fields.len() + notes + 3).saturating_add(2);
        let inner = popup(look, area, buffer, &self.title, (size(width + 4), height));
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        // Help, button and as many notes as fit stay visible; fields scroll.
        let room = usize::from(inner.height).saturating_sub(2).min(self.fields.len());
        let last = self.fields.len().saturating_sub(1);
        let first = (self.focus.min(last) + 1).saturating_sub(room).min(self.fields.len() - room);
        for (row, index) in (first..first + room).enumerate() {
            let line = Rect { y: inner.y + size(row), height: 1, ..inner };
            self.view_field(look, index, label, line, buffer);
            hits.add(line, Target::Field(index));
        }
        let below = Rect { y: inner.y + size(room), height: inner.height - size(room), ..inner };
        self.view_below(look, below, buffer, hits);
    }

    fn view_field(&self, look: Look, index: usize, label: usize, line: Rect, buffer: &mut Buffer) {
        let (field, focused) = (&self.fields[index], index == self.focus);
        let mark = if focused { look.charset.pick("▸ ", "> ") } else { "  " };
        let name = text::fit(&field.label, label, false, look.charset);
        let role = if focused { Role::Title } else { Role::Dim };
        let x = text::put(buffer, line, (0, 0), &format!("{mark}{name}  "), look.style(role));
        let problem = field.problem();
        let free = line.width.saturating_sub(x);
        let taken = problem.as_ref().map_or(0, |problem| text::width(problem) + 2).min(usize::from(free) / 2);
        let value = Rect { x: line.x + x.min(line.width), width: free - taken as u16, ..line };
        match &field.kind {
            Kind::Text(input) | Kind::Number { input, .. } => input.view(look, value, buffer, focused),
            Kind::Check(on) => {
                let role = if focused { Role::Focus } else { Role::Text };
                text::put(buffer, value, (0, 0), look.charset.tick(*on), look.style(role));
            }
            Kind::Choice { .. } => {
                let (before, behind) =
                    if focused { look.charset.pick(("◂ ", " ▸"), ("< ", " >")) } else { ("", "") };
                let room = usize::from(value.width).saturating_sub(4);
                let chosen = text::cut(&field.value(), room, look.charset);
                text::put(
                    buffer,
                    value,
                    (0, 0),
                    &format!("{before}{chosen}{behind}"),
                    look.style(Role::Text),
                );
            }
        }
        if let Some(problem) = problem {
            let problem = text::cut(&problem, taken.saturating_sub(1), look.charset);
            let at = line.width - taken as u16;
            text::put(buffer, line, (at + 1, 0), &problem, look.style(Role::Bad));
        }
    }

    fn view_below(&self, look: Look, below: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let last = below.height.saturating_sub(1);
        let columns = usize::from(below.width);
        for (row, note) in (1..last.saturating_sub(1)).zip(&self.notes) {
            let note = text::cut(note, columns, look.charset);
            text::put(buffer, below, (0, row), &note, look.style(Role::Dim));
        }
        if let (Some(field), true) = (self.fields.get(self.focus), last >= 1) {
            let help = text::cut(&field.help, columns, look.charset);
            text::put(buffer, below, (0, last - 1), &help, look.style(Role::Dim));
        }
        let focused = self.focus == self.fields.len();
        let role = if self.is_right() { Role::Key } else { Role::Dim };
        let mark = if focused { look.charset.pick("▸", ">") } else { " " };
        let end = text::put(buffer, below, (0, last), &format!("{mark} {} ", self.submit), look.style(role));
        let button =
            Rect { y: below.y + last, height: below.height.min(1), width: end.min(below.width), ..below };
        if focused {
            buffer.set_style(button, look.style(Role::Selected));
        }
        hits.add(button, Target::Button(0));
        let keys = format!("  ctrl-s {}   tab next   esc cancel", self.submit);
        let keys = text::cut(&keys, columns.saturating_sub(usize::from(end)), look.charset);
        text::put(buffer, below, (end, last), &keys, look.style(Role::Dim));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        let presets = vec!["digits".into(), "cifar10".into()];
        Form::new(
            "New run",
            "start",
            vec![
                Field::text("name", "Name", "").check(|name| match name.contains(' ') {
                    true => Err("no spaces".into()),
                    false => Ok(()),
                }),
                Field::count("epochs", "Epochs", 30, (1, 10_000)).help("How often the data are seen"),
                Field::choice("preset", "Preset", presets, 0),
                Field::tick("gpu", "Use the GPU", false),
            ],
        )
    }

    fn press(form: &mut Form, code: KeyCode) -> FormEvent {
        form.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn keys_fill_the_form_field_by_field() {
        let mut form = form();
        assert_eq!(press(&mut form, KeyCode::Char('a')), FormEvent::Changed(0));
        press(&mut form, KeyCode::Tab);
        assert_eq!(press(&mut form, KeyCode::Char('0')), FormEvent::Changed(1));
        press(&mut form, KeyCode::Tab);
        assert_eq!(press(&mut form, KeyCode::Char('c')), FormEvent::Changed(2));
        press(&mut form, KeyCode::Enter);
        assert_eq!(press(&mut form, KeyCode::Char(' ')), FormEvent::Changed(3));
        press(&mut form, KeyCode::Enter);
        assert_eq!(press(&mut form, KeyCode::Enter), FormEvent::Submitted);
        assert_eq!((form.value("name"), form.number("epochs")), ("a".into(), Some(300.0)));
        assert_eq!((form.value("preset"), form.ticked("gpu")), ("cifar10".into(), true));
    }

    #[test]
    fn a_wrong_field_gets_the_keys_instead_of_the_form_being_submitted() {
        let mut form = form();
        form.focus = 1;
        assert_eq!(form.paste(".5"), FormEvent::Changed(1));
        assert_eq!(form.fields[1].problem().unwrap(), "not an integer");
        form.focus = 4;
        assert_eq!(press(&mut form, KeyCode::Enter), FormEvent::Open);
        assert_eq!(form.focus, 1);
        assert!(form.number("epochs").is_none());
    }

    #[test]
    fn what_others_found_wrong_is_forgotten_at_the_next_change() {
        let mut form = form();
        form.field_mut("name").unwrap().set_problem(Some("taken".into()));
        assert!(!form.is_right());
        press(&mut form, KeyCode::Char('b'));
        assert!(form.is_right());
    }

    #[test]
    fn a_form_draws_at_any_size() {
        let mut form = form();
        form.notes = vec!["1.2 M parameters".into(), "3 s an epoch".into()];
        for width in 1..100 {
            for height in 1..20 {
                let area = Rect::new(0, 0, width, height);
                form.view(Look::default(), area, &mut Buffer::empty(area), &mut Hits::default());
            }
        }
    }
}

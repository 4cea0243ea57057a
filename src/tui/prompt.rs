//! What takes the keys in place of a screen, and which keys it takes: what the key bar says meanwhile.

/// Something that takes all keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Fields to fill in.
    Form,
    /// A question with buttons.
    Dialog,
    /// A text that says what is shown.
    Filter,
    /// Something to choose, or to delete.
    Sets,
    /// The help page.
    Help,
    /// The command palette.
    Palette,
}

impl Prompt {
    /// Its keys, and what they do in a word or two.
    pub fn keys(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Prompt::Form => {
                &[("ctrl-s", "submit"), ("tab", "next field"), ("left right", "choose"), ("esc", "cancel")]
            }
            Prompt::Dialog => &[("enter", "accept"), ("left right", "select button"), ("esc", "cancel")],
            Prompt::Filter => &[("enter", "apply filter"), ("esc", "clear filter")],
            Prompt::Sets => &[("enter", "load"), ("d", "delete"), ("esc", "close")],
            Prompt::Help => &[("up down", "scroll"), ("esc", "close")],
            Prompt::Palette => &[("enter", "run"), ("up down", "select"), ("esc", "close")],
        }
    }
}

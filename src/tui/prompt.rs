//! Input modes that receive all keys instead of the screen, and the keys that the key bar lists for each.

/// An input mode that receives all keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A form.
    Form,
    /// A question with buttons.
    Dialog,
    /// A filter being typed.
    Filter,
    /// The list of saved sets of classes.
    Sets,
    /// The help page.
    Help,
    /// The command palette.
    Palette,
}

impl Prompt {
    /// Its keys, each with a short label.
    pub fn keys(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Prompt::Form => {
                &[("ctrl-s", "submit"), ("tab", "next"), ("left right", "choose"), ("esc", "cancel")]
            }
            Prompt::Dialog => &[("enter", "accept"), ("left right", "select button"), ("esc", "cancel")],
            Prompt::Filter => &[("enter", "apply filter"), ("esc", "clear filter")],
            Prompt::Sets => &[("enter", "load"), ("d", "delete"), ("esc", "close")],
            Prompt::Help => &[("up down", "scroll"), ("esc", "close")],
            Prompt::Palette => &[("enter", "run"), ("up down", "select"), ("esc", "close")],
        }
    }
}

//! What screens are made of. A widget draws itself with a [`Look`](super::theme::Look) into a buffer, writes
//! into [`Hits`](super::hits::Hits) what the mouse can do there, and answers keys with a value; it never
//! touches the terminal.
//!
//! | widget | for |
//! |---|---|
//! | [`frame`] | a pane: border, title, focus |
//! | [`Input`] | a line of text to edit |
//! | [`Form`] | labelled fields with checks while typing |
//! | [`Dialog`] | a message, or a question with buttons |
//! | [`Slider`] | a value in a range |
//! | [`Table`], [`Selection`] | rows and columns, and the place in them |
//! | [`text`] | widths, cutting, wrapping |

mod dialog;
mod field;
mod form;
mod frame;
mod input;
mod slider;
mod table;
pub mod text;

pub use dialog::{Answer, Dialog};
pub use field::{Field, Kind};
pub use form::{Form, FormEvent};
pub use frame::{frame, popup};
pub use input::Input;
pub use slider::{Range, Scale, Slider};
pub use table::{Column, Selection, Table};

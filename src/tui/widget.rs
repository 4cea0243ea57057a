//! Building blocks of screens. A widget draws itself with a [`Look`](super::theme::Look) into a buffer, records its
//! clickable areas in [`Hits`](super::hits::Hits), and returns a value for each key; it never accesses the terminal.
//!
//! | widget | for |
//! |---|---|
//! | [`frame`] | a pane: border, title, focus |
//! | [`Input`] | a single-line text editor |
//! | [`Form`] | labelled fields, validated while typing |
//! | [`Dialog`] | a message, or a question with buttons |
//! | [`Slider`] | a value in a range |
//! | [`Table`], [`Selection`] | rows and columns, and the selected row |
//! | [`text`] | text width, truncation, wrapping |

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

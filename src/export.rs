//! Networks written out for use elsewhere: whole ones and modules alike.
//!
//! | file | what it holds |
//! |---|---|
//! | `package` | a network with everything that is needed to use it |
//! | `safetensors` | a package as the bytes of a safetensors file |
//! | `target` | the file that it goes to |
//! | `error` | what can go wrong |

mod error;
mod package;
pub mod safetensors;
mod target;

pub use error::Error;
pub use package::{Package, Provenance};
pub use target::write;

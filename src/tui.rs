//! The terminal workbench: a client of [`Session`](crate::session::Session) that one can see.
//!
//! ```text
//! keys, mouse, signals, session events, answers of workers
//!        │ Msg                                        ▲ Effect
//!        ▼                                            │
//!    runtime ──► App::update (pure: state in, state and effects out)
//!        │
//!        └────► view (free functions, one a panel: state in, cells out)
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `app` | the state, and what a message does to it |
//! | `message` | messages, effects, and the work that is done on other threads |
//! | `action`, `keymap`, `palette`, `help` | the table of actions, and the three ways to find one |
//! | `say`, `settings` | toasts and log; what is kept for the next start |
//! | `view` | the frame around the screens: header, key bar, log, what lies over them |
//! | `shared`, `live` | what all screens know: runs, theme, size; the run that is being trained |
//! | `curves` | the series of a run, for its charts |
//! | `home`, `dashboard`, `modules` | the three screens: state, update and view each |
//! | `ask`, `output` | forms that belong to no screen: reports, exports of runs, imports |
//! | `prompt` | what takes the keys in place of a screen |
//! | `widget`, `theme`, `canvas`, `hits` | what screens are made of |
//! | `runtime`, `worker` | the loop, and the threads that do what takes time |
//! | `terminal`, `input`, `signals`, `job` | the terminal, entered and always left; what comes from it and the system |
//! | `monitor` | the load of this computer |

pub mod action;
pub mod app;
pub mod ask;
pub mod canvas;
pub mod curves;
pub mod dashboard;
pub mod help;
pub mod hits;
pub mod home;
pub mod input;
pub mod job;
pub mod keymap;
pub mod live;
pub mod message;
pub mod modules;
pub mod monitor;
pub mod output;
pub mod palette;
pub mod prompt;
pub mod runtime;
pub mod say;
pub mod settings;
pub mod shared;
pub mod signals;
#[cfg(test)]
mod snapshot;
pub mod terminal;
pub mod theme;
pub mod view;
pub mod widget;
pub mod worker;

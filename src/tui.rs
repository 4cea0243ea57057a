//! The terminal workbench: an interactive client of [`Session`](crate::session::Session).
//!
//! ```text
//! keys, mouse, signals, session events, worker replies
//!        │ Msg                                        ▲ Effect
//!        ▼                                            │
//!    runtime ──► App::update (pure: state in, state and effects out)
//!        │
//!        └────► view (free functions, one per panel: state in, cells out)
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `app` | the state, and how messages change it |
//! | `message` | messages, effects, and jobs for other threads |
//! | `action`, `keymap`, `palette`, `help` | the action table, key bindings, command palette, help page |
//! | `notices`, `settings` | toasts and log; persistent settings |
//! | `view` | the frame around the screens: header, key bar, log, overlays |
//! | `shared`, `live` | state shared by all screens: runs, theme, size; the run being trained |
//! | `curves` | the time series of a run, for its charts |
//! | `home`, `dashboard`, `modules` | the three screens: state, update and view each |
//! | `global_form`, `output` | forms available on every screen: reports, exports of runs, imports |
//! | `prompt` | key hints of forms, dialogs and lists |
//! | `widget`, `theme`, `canvas`, `hits` | building blocks of screens |
//! | `runtime`, `worker` | the main loop, and the threads for slow work |
//! | `terminal`, `input`, `signals`, `job` | terminal set-up and restoration; terminal input; process signals |
//! | `monitor` | CPU and GPU load |

pub mod action;
pub mod app;
pub mod canvas;
pub mod curves;
pub mod dashboard;
pub mod frozen;
pub mod global_form;
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
pub mod notices;
pub mod output;
pub mod palette;
pub mod prompt;
pub mod runtime;
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

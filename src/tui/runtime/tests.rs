//! Panics. The test program starts itself again as the workbench in a pseudo-terminal, with an injected fault.

use std::env;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};

use super::*;
use crate::session::fault;
use pty::Pty;

#[path = "../../../tests/pty/mod.rs"]
mod pty;

/// The variable with the step at which the trainer panics; without it, the workbench is not started.
const STEP: &str = "CLEAVE_TEST_FAULT";

/// Time limit, generous for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A key that nothing else uses makes the loop panic.
pub(super) fn fault(msg: &Msg) {
    let asked = matches!(msg, Msg::Key(KeyEvent { code: KeyCode::F(12), .. }));
    assert!(!asked, "a fault of the loop");
}

/// Runs the workbench if the variable is set; otherwise this test does nothing.
#[test]
fn workbench() {
    let Ok(step) = env::var(STEP) else { return };
    fault::plan(step.parse().unwrap());
    let paths = Paths::find().unwrap();
    let options = Options { paths, device: Choice::Cpu, theme: None, charset: None, mouse: None };
    std::process::exit(run(&options).unwrap().into());
}

fn workbench_with_a_fault_at(step: u64) -> Pty {
    let mut command = pty::command(env::current_exe().unwrap());
    command.args(["--exact", "tui::runtime::tests::workbench", "--nocapture"]);
    command.env(STEP, step.to_string());
    Pty::of(100, 30, command)
}

#[test]
fn a_panic_of_the_trainer_leaves_the_workbench_alive_and_says_what_happened_and_where_more_is() {
    let mut pty = workbench_with_a_fault_at(30);
    pty.train();
    pty.wait("the banner", |screen| {
        let words = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        ["failed at step 30; ", "is intact: ", "a fault at step 30 as the test wanted it", "workbench.log"]
            .iter()
            .all(|part| words.contains(part))
    });
    pty.send("1");
    pty.wait("the run among the others", |screen| screen.contains("Runs: 1") && screen.contains("failed"));
    assert!(!pty.written().contains("\x1b[?1049l"), "the terminal was kept all the time");
    pty.quit();
    assert!(pty.has_its_modes());
    let log = std::fs::read_to_string(pty.home().join("data/workbench.log")).unwrap();
    assert!(log.contains("trainer: ") && log.contains("a fault at step 30"), "{log}");
    // Only the module name is checked, because functions may be inlined.
    assert!(log.contains("session::"), "the way to it: {log}");
}

#[test]
fn a_panic_of_the_loop_gives_the_terminal_back_and_saves_the_run() {
    let mut pty = workbench_with_a_fault_at(u64::MAX);
    pty.train();
    pty.send("\x1b[24~");
    assert_eq!(pty.exit_code(PATIENCE), 101);
    assert!(pty.has_its_modes());
    let written = pty.written();
    assert!(written.rfind("\x1b[?1049l") > written.rfind("\x1b[?1049h"));
    assert!(written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l"), "the cursor is back");
    let screen = pty.screen();
    assert!(screen.contains("a fault of the loop") && screen.contains("for details"), "{screen}");
    assert!(pty.stopped_whole());
}

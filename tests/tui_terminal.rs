//! The workbench in a terminal of its own: what it does to the terminal, and that it always gives it back.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod pty;

use std::time::{Duration, Instant};

use pty::Pty;
use rustix::process::Signal;

/// How long anything may take on a busy computer.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn it_starts_on_the_list_of_runs_and_gives_the_terminal_back() {
    let mut pty = Pty::workbench(80, 24);
    pty.wait_for("cleave");
    pty.wait_for("3 modules");
    pty.send("q");
    assert_eq!(pty.exit_code(PATIENCE), 0);
    assert!(pty.has_its_modes());
    let written = pty.written();
    for (on, off) in
        [("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?2004h", "\x1b[?2004l"), ("\x1b[?1000h", "\x1b[?1000l")]
    {
        assert!(written.find(on).unwrap() < written.rfind(off).unwrap(), "{on:?} {off:?}");
    }
    assert!(written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l"), "the cursor is back");
}

#[test]
fn the_first_frame_comes_before_the_device_is_known() {
    let begun = Instant::now();
    let mut pty = Pty::workbench(80, 24);
    pty.wait_for("3 modules");
    let took = begun.elapsed();
    println!("first frame after {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    pty.quit();
}

#[test]
fn a_signal_ends_training_with_a_checkpoint() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let mut pty = Pty::workbench(80, 24);
        pty.train();
        pty.signal(signal);
        assert_eq!(pty.exit_code(PATIENCE), code);
        assert!(pty.stopped_whole(), "{signal:?}");
        assert!(pty.written().contains("\x1b[?1049l"), "{signal:?}");
    }
}

#[test]
fn a_terminal_that_goes_away_ends_training_with_a_checkpoint() {
    let mut pty = Pty::workbench(80, 24);
    pty.train();
    pty.hang_up();
    assert_eq!(pty.exit_code(PATIENCE), 129);
    assert!(pty.stopped_whole());
}

#[test]
fn a_terminal_that_goes_away_is_noticed_without_a_signal() {
    // The leader of the session ignores SIGHUP, and nobody else is sent one.
    let mut pty = Pty::shell(80, 24, "trap '' HUP; \"$CLEAVE\"; echo $? > \"$CLEAVE_HOME/code\"");
    pty.train();
    pty.hang_up();
    let code = pty.home().join("code");
    let begun = Instant::now();
    while !std::fs::read_to_string(&code).is_ok_and(|text| text.ends_with('\n')) {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(std::fs::read_to_string(&code).unwrap(), "129\n");
    assert!(pty.stopped_whole());
}

#[test]
fn the_death_of_the_shell_ends_training_with_a_checkpoint() {
    let mut pty = Pty::shell(80, 24, "set -m; \"$CLEAVE\"; true");
    pty.train();
    let program = pty.trainer();
    pty.signal(Signal::KILL);
    let begun = Instant::now();
    while rustix::process::test_kill_process(program).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(pty.stopped_whole());
}

#[test]
fn the_first_ctrl_c_asks_and_the_second_saves_a_checkpoint_and_leaves() {
    let mut pty = Pty::workbench(80, 24);
    pty.train();
    pty.send("\x03");
    pty.wait_for("save a checkpoint and quit");
    pty.send("\x03");
    assert_eq!(pty.exit_code(PATIENCE), 130);
    assert!(pty.stopped_whole() && pty.has_its_modes());
}

#[test]
fn it_sleeps_and_wakes_as_other_programs_do() {
    let mut pty = Pty::shell(80, 24, "set -m; \"$CLEAVE\"; echo asleep; read line; fg; echo code $?");
    pty.wait_for("3 modules");
    pty.send("\x1a");
    pty.wait_for("asleep");
    pty.send("\n");
    pty.wait_for("3 modules");
    pty.send("?");
    pty.wait_for("Show the keys of this screen");
    pty.escape("Show the keys of this screen");
    pty.send("q");
    pty.wait_for("code 0");
}

#[test]
fn killed_while_it_sleeps_it_saves_a_checkpoint_and_ends() {
    let script = "set -m; \"$CLEAVE\"; pid=$(jobs -p); kill %1; \
                  while kill -0 $pid 2>/dev/null; do sleep .05; done; echo it is gone";
    let mut pty = Pty::shell(80, 24, script);
    pty.train();
    pty.send("\x1a");
    pty.wait_for("it is gone");
    assert!(pty.stopped_whole());
}

#[test]
fn it_trains_on_in_the_background_and_comes_back() {
    let mut pty = Pty::shell(80, 24, "set -m; \"$CLEAVE\"; bg; echo behind; sleep 1; fg; echo code $?");
    pty.train();
    pty.send("\x1a");
    pty.wait_for("behind");
    pty.wait_for("3 modules");
    pty.signal_trainer(Signal::TERM);
    pty.wait_for("code 143");
    assert!(pty.stopped_whole());
}

#[test]
fn any_size_at_any_moment_is_drawn() {
    let mut pty = Pty::workbench(80, 24);
    pty.wait_for("3 modules");
    for n in 0..60u16 {
        pty.resize(1 + n * 37 % 200, 1 + n * 13 % 60);
    }
    pty.resize(40, 10);
    pty.wait_for("60x16");
    for (columns, rows) in [(1, 1), (500, 200), (1, 200), (500, 1)] {
        pty.resize(columns, rows);
    }
    pty.resize(500, 200);
    pty.wait_for("Press n to start one");
    pty.resize(100, 30);
    pty.wait_for("3 modules");
    pty.quit();
}

#[test]
fn the_smallest_terminal_is_one_to_start_in() {
    let mut pty = Pty::workbench(1, 1);
    pty.wait_for("T");
    pty.resize(60, 16);
    pty.wait_for("No runs yet");
    pty.quit();
}

#[test]
fn no_color_means_no_colours_but_marks_by_modifiers() {
    let mut pty = Pty::with(80, 24, &[("NO_COLOR", "1")]);
    pty.wait_for("3 modules");
    pty.send(":");
    pty.wait_for("where");
    let written = pty.written();
    assert!(pty::colours(&written).is_empty(), "{:?}", pty::colours(&written));
    assert!(written.contains("\x1b[7m"), "the selection is reversed");
    pty.escape("where");
    pty.quit();
}

#[test]
fn colours_follow_what_the_terminal_has() {
    for (term, colorterm, kind) in
        [("xterm-256color", "truecolor", "38;2;"), ("xterm-256color", "", "38;5;"), ("xterm", "", "")]
    {
        let mut pty = Pty::with(80, 24, &[("TERM", term), ("COLORTERM", colorterm)]);
        pty.wait_for("3 modules");
        let colours = pty::colours(&pty.written());
        assert!(!colours.is_empty());
        let fits = |colour: &String| match kind {
            // The sixteen are indexed too, below 16.
            "" => !colour.contains("8;2;") && !colour.contains("8;5;") || pty::index(colour) < Some(16),
            _ => !colour.starts_with("38;2;") || kind == "38;2;",
        };
        assert!(colours.iter().all(fits), "{term}: {colours:?}");
        pty.quit();
    }
}

#[test]
fn a_key_is_answered_while_training_runs() {
    let mut pty = Pty::workbench(80, 24);
    pty.train();
    let mut took: Vec<Duration> = (0..10).map(|_| pty.time("?", "help, lines")).collect();
    took.sort();
    println!("key to screen: median {:?}, longest {:?}", took[5], took[9]);
    assert!(took[5] < Duration::from_millis(500), "{took:?}");
    pty.signal(Signal::TERM);
    pty.exit_code(PATIENCE);
}

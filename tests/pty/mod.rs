//! A pseudo terminal with the workbench in it.

#![allow(dead_code, reason = "every program that uses it uses a part of it")]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::{BorrowedFd, RawFd};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take on a busy computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The terminal, what is on its screen, and all that was written to it.
pub struct Pty {
    reader: Option<Reader>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Seen>>,
    modes: String,
    home: Rc<tempfile::TempDir>,
}

struct Reader {
    thread: JoinHandle<()>,
    closed: Arc<AtomicBool>,
}

struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
}

impl Pty {
    /// The workbench in a terminal of this size, with an empty home.
    pub fn workbench(columns: u16, rows: u16) -> Pty {
        Pty::with(columns, rows, &[])
    }

    /// The workbench with more in its environment.
    pub fn with(columns: u16, rows: u16, variables: &[(&str, &str)]) -> Pty {
        let mut command = workbench();
        variables.iter().for_each(|(name, value)| command.env(name, value));
        Pty::of(columns, rows, command)
    }

    /// The workbench with a home that has something in it.
    pub fn at(columns: u16, rows: u16, home: tempfile::TempDir) -> Pty {
        Pty::start(columns, rows, workbench(), Rc::new(home))
    }

    /// A shell script in which `$CLEAVE` is the program.
    pub fn shell(columns: u16, rows: u16, script: &str) -> Pty {
        Pty::of(columns, rows, shell(script))
    }

    /// Another terminal with a shell script, and the same home.
    pub fn again(&self, columns: u16, rows: u16, script: &str) -> Pty {
        Pty::start(columns, rows, shell(script), self.home.clone())
    }

    /// Any command, with an empty home.
    pub fn of(columns: u16, rows: u16, command: CommandBuilder) -> Pty {
        Pty::start(columns, rows, command, Rc::new(tempfile::tempdir().unwrap()))
    }

    fn start(columns: u16, rows: u16, mut command: CommandBuilder, home: Rc<tempfile::TempDir>) -> Pty {
        command.env("CLEAVE_HOME", home.path());
        command.cwd(home.path());
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let modes = format!("{:?}", pair.master.get_termios());
        let child = pair.slave.spawn_command(command).unwrap();
        let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
        let seen = Arc::new(Mutex::new(Seen { parser, bytes: Vec::new() }));
        let (kept, closed) = (seen.clone(), Arc::new(AtomicBool::new(false)));
        let (fd, close) = (pair.master.as_raw_fd().unwrap(), closed.clone());
        let thread = thread::spawn(move || {
            let mut buffer = [0; 1 << 14];
            // While it waits in a read it would keep the terminal open.
            while !close.load(Ordering::SeqCst) {
                if !is_readable(fd) {
                    continue;
                }
                let Ok(count @ 1..) = reader.read(&mut buffer) else { return };
                let mut seen = kept.lock().unwrap();
                seen.parser.process(&buffer[..count]);
                seen.bytes.extend_from_slice(&buffer[..count]);
            }
        });
        let reader = Some(Reader { thread, closed });
        Pty { reader, master: Some(pair.master), writer: Some(writer), child, seen, modes, home }
    }

    /// Types.
    pub fn send(&mut self, text: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.seen.lock().unwrap().parser.screen().contents()
    }

    /// All that was written to the terminal.
    pub fn written(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().bytes).into_owned()
    }

    /// Waits until a text is on the screen.
    pub fn wait_for(&mut self, text: &str) {
        self.wait(text, |screen| screen.contains(text));
    }

    /// Closes what lies over the screen, of which `text` is a part.
    pub fn escape(&mut self, text: &str) {
        self.send("\x1b");
        self.wait("its absence", |screen| !screen.contains(text));
    }

    /// Waits until the screen is as wanted.
    pub fn wait(&mut self, what: &str, is_there: impl Fn(&str) -> bool) {
        self.wait_within(PATIENCE, what, is_there);
    }

    /// Waits so long until the screen is as wanted.
    pub fn wait_within(&mut self, patience: Duration, what: &str, is_there: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if is_there(&screen) {
                return;
            }
            assert!(begun.elapsed() < patience, "no {what:?} on the screen:\n{screen}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// How long it takes from typing `key` until `text` lies over the screen.
    pub fn time(&mut self, key: &str, text: &str) -> Duration {
        let begun = Instant::now();
        self.send(key);
        self.wait_for(text);
        let took = begun.elapsed();
        self.escape(text);
        took
    }

    /// Starts a run of the embedded data and waits until it is under way.
    pub fn train(&mut self) {
        self.wait_for("3 modules");
        self.send("n");
        self.wait_for("ctrl-s");
        // The form knows its network before it can be submitted.
        self.wait_for("parameters");
        self.send("\x13");
        self.wait("a run in training", |screen| {
            screen.contains("training digits") || screen.contains("acc ")
        });
    }

    /// Whether a run ended with a checkpoint of its last step.
    pub fn stopped_whole(&self) -> bool {
        let runs = std::fs::read_dir(self.home().join("data/runs")).unwrap();
        let mut logs =
            runs.filter_map(|run| std::fs::read_to_string(run.unwrap().path().join("events.jsonl")).ok());
        logs.any(|log| {
            let mut kinds = log.lines().rev();
            kinds.next().is_some_and(|line| line.contains("\"stopped\"")) && log.contains("\"checkpointed\"")
        })
    }

    /// The process that trains, as the lock of its run says.
    pub fn trainer(&self) -> Pid {
        let mut runs = std::fs::read_dir(self.home().join("data/runs")).unwrap();
        let lock = std::fs::read_to_string(runs.next().unwrap().unwrap().path().join("lock")).unwrap();
        let number = lock.lines().find_map(|line| line.strip_prefix("pid = ")).unwrap();
        Pid::from_raw(number.parse().unwrap()).unwrap()
    }

    /// The process that was started in the terminal.
    pub fn process(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap()
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).unwrap();
    }

    /// Sends a signal to the process that trains, which a shell may have started.
    pub fn signal_trainer(&self, signal: Signal) {
        kill_process(self.trainer(), signal).unwrap();
    }

    /// Closes the terminal.
    pub fn hang_up(&mut self) {
        self.stop_reading();
        self.writer = None;
        self.master = None;
    }

    fn stop_reading(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.closed.store(true, Ordering::SeqCst);
            let _ = reader.thread.join();
        }
    }

    /// Another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.seen.lock().unwrap().parser.screen_mut().set_size(cells(rows), cells(columns));
        self.master.as_ref().unwrap().resize(size(columns, rows)).unwrap();
    }

    /// Whether the line discipline is as it was before the program started.
    pub fn has_its_modes(&self) -> bool {
        format!("{:?}", self.master.as_ref().unwrap().get_termios()) == self.modes
    }

    /// The exit code, waited for.
    pub fn exit_code(&mut self, patience: Duration) -> u32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // What it wrote last is still on its way.
                thread::sleep(Duration::from_millis(50));
                return status.exit_code();
            }
            assert!(begun.elapsed() < patience, "it does not end:\n{}", self.screen());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Leaves.
    pub fn quit(&mut self) {
        self.send("q");
        assert_eq!(self.exit_code(PATIENCE), 0);
    }

    /// Where its files are.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.stop_reading();
    }
}

/// Whether there is something to read, or nothing will ever be again; waits a little.
#[allow(unsafe_code)]
fn is_readable(fd: RawFd) -> bool {
    // The terminal is closed only after the thread that asks has ended.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let wait = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&wait)).is_ok_and(|ready| ready > 0)
}

/// The program, where cargo says it to whoever uses this file.
fn program() -> &'static str {
    match option_env!("CARGO_BIN_EXE_cleave") {
        Some(program) => program,
        None => panic!("cargo names the program to tests and benchmarks only"),
    }
}

/// A command that finds a terminal of 256 colours, whatever this program runs in.
pub fn command(program: impl AsRef<OsStr>) -> CommandBuilder {
    let mut command = CommandBuilder::new(program);
    command.env("TERM", "xterm-256color");
    command.env("LC_ALL", "C.UTF-8");
    ["NO_COLOR", "COLORTERM"].iter().for_each(|name| command.env_remove(name));
    command
}

fn workbench() -> CommandBuilder {
    let mut command = command(program());
    command.args(["--device", "cpu"]);
    command.env("COLORTERM", "truecolor");
    command
}

fn shell(script: &str) -> CommandBuilder {
    let mut command = command("bash");
    command.args(["--norc", "-c", script]);
    command.env("CLEAVE", program());
    command
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

/// The colours in a stream of control sequences, each as its parameters.
pub fn colours(written: &str) -> Vec<String> {
    let mut found = Vec::new();
    for sequence in written.split("\x1b[").skip(1) {
        let Some(end) = sequence.find(|c: char| !c.is_ascii_digit() && c != ';') else { continue };
        if !sequence[end..].starts_with('m') {
            continue;
        }
        let mut numbers = sequence[..end].split(';').peekable();
        while let Some(number) = numbers.next() {
            match number {
                "38" | "48" => {
                    found.push(format!("{number};{}", numbers.by_ref().collect::<Vec<_>>().join(";")))
                }
                // 39 and 49 are the terminal's own colours.
                _ if number
                    .parse()
                    .is_ok_and(|n: u8| matches!(n, 30..=37 | 40..=47 | 90..=97 | 100..=107)) =>
                {
                    found.push(number.to_owned());
                }
                _ => {}
            }
        }
    }
    found
}

/// The number of a colour of the 256, if it is one.
pub fn index(colour: &str) -> Option<u8> {
    colour.split_once("8;5;")?.1.parse().ok()
}

fn cells(count: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(count).unwrap()
}

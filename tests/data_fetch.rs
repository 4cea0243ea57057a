//! Fetching from a server on loopback that behaves, and from one that does not.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use cleave::data::{Archive, Error, FileState, Member, Progress, Set, Stage, check, fetch};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// How the server answers one request.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// As it should: the whole, or the asked-for rest with status 206.
    Good,
    /// Like `Good`, but the connection breaks off after so many bytes of the body.
    Cut(usize),
    /// The whole, whatever range was asked for.
    IgnoreRange,
    /// The whole, without a length, and so many bytes too many.
    TooLong(usize),
    /// A rest that starts elsewhere than asked.
    WrongRange,
    /// This status and no file.
    Status(u16),
    /// The right length, but one byte is another.
    Damaged,
    /// Bytes and a length that are not the file's.
    Other,
}

/// A server that gives `content` for any path, one answer of the script a request, and notes the requests.
struct Server {
    base: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(content: &[u8], script: &[Answer]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/mirror/", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (content, script, seen) = (content.to_vec(), script.to_vec(), requests.clone());
        thread::spawn(move || {
            for answer in script {
                let (stream, _) = listener.accept().unwrap();
                // A client that has read enough may hang up.
                let _ = serve(stream, &content, answer, &seen);
            }
        });
        Server { base, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    content: &[u8],
    answer: Answer,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let lines = BufReader::new(stream.try_clone()?).lines();
    let request: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let range =
        request.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_string));
    let from: usize = range.as_deref().map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
    seen.lock().unwrap().push(format!("{} from {from}", request[0].split(' ').nth(1).unwrap()));
    let mut body = content.to_vec();
    let (from, sent) = match answer {
        Answer::Good => (from, usize::MAX),
        Answer::Cut(n) => (from, n),
        Answer::IgnoreRange => (0, usize::MAX),
        Answer::WrongRange => (from.saturating_sub(3), usize::MAX),
        Answer::TooLong(n) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            stream.write_all(&body)?;
            return stream.write_all(&vec![0; n]);
        }
        Answer::Status(status) => {
            return write!(
                stream,
                "HTTP/1.1 {status} No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
            );
        }
        Answer::Damaged => {
            body[5] ^= 1;
            (from, usize::MAX)
        }
        Answer::Other => {
            body = b"<html>please log in</html>".to_vec();
            (0, usize::MAX)
        }
    };
    let rest = &body[from.min(body.len())..];
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", rest.len())?;
    if from > 0 {
        write!(stream, "Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len())?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(&rest[..sent.min(rest.len())])
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn content() -> Vec<u8> {
    (0..300_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect()
}

/// What a progress display heard, or why the fetch failed.
type Heard = Result<Vec<(Stage, u64)>, Error>;

/// Fetches `content` as one plain file from a server with this script.
struct Trial {
    cache: TempDir,
    content: Vec<u8>,
    members: Vec<(&'static str, Option<u64>)>,
}

impl Trial {
    fn new(content: Vec<u8>) -> Trial {
        Trial { cache: tempfile::tempdir().unwrap(), content, members: Vec::new() }
    }

    fn with_set<T>(&self, act: impl FnOnce(&Set<'_>) -> T) -> T {
        let sha256 = sha256(&self.content);
        let members: Vec<Member> = self.members.iter().map(|&(path, bytes)| Member { path, bytes }).collect();
        let bytes = self.content.len() as u64;
        let url = "http://127.0.0.1:9/unused/file.bin";
        let archive = Archive { file: "file.bin", url, bytes, sha256: &sha256, members: &members };
        let archives = [archive];
        act(&Set {
            name: "t",
            directory: "t",
            description: "",
            licence: "",
            homepage: "",
            archives: &archives,
        })
    }

    fn fetch(&self, server: &Server) -> Heard {
        let mut heard = Vec::new();
        let mut hear = |progress: Progress<'_>| heard.push((progress.stage, progress.done));
        let result = self.with_set(|set| fetch(set, Some(&server.base), self.cache.path(), &mut hear));
        result.map(|_| heard)
    }

    fn run(&self, script: &[Answer]) -> (Heard, Vec<String>) {
        let server = Server::start(&self.content, script);
        (self.fetch(&server), server.requests())
    }

    fn states(&self) -> Vec<FileState> {
        let checks = self.with_set(|set| check(set, self.cache.path())).unwrap();
        checks.into_iter().map(|check| check.state).collect()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.cache.path().join("t").join(name)
    }

    fn part(&self) -> Option<u64> {
        fs::metadata(self.path("file.bin.part")).ok().map(|metadata| metadata.len())
    }

    fn assert_whole(&self) {
        assert!(fs::read(self.path("file.bin")).unwrap() == self.content);
        assert_eq!(self.part(), None);
        assert_eq!(self.states(), [FileState::Good]);
    }
}

#[test]
fn a_file_arrives_whole_and_is_not_fetched_twice() {
    let trial = Trial::new(content());
    assert_eq!(trial.states(), [FileState::Missing]);
    let (heard, requests) = trial.run(&[Answer::Good]);
    let heard = heard.unwrap();
    assert_eq!((heard[0], heard[heard.len() - 1]), ((Stage::Downloading, 0), (Stage::Done, 300_000)));
    assert!(heard.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    assert_eq!(requests, ["/mirror/file.bin from 0"]);
    trial.assert_whole();
    let (heard, requests) = trial.run(&[]);
    assert_eq!((heard.unwrap(), requests.len()), (vec![(Stage::Present, 300_000)], 0));
}

#[test]
fn a_cut_connection_is_taken_up_where_it_broke() {
    let trial = Trial::new(content());
    let (result, requests) = trial.run(&[Answer::Cut(100_000), Answer::Cut(50_000), Answer::Good]);
    result.unwrap();
    assert_eq!(requests, [0, 100_000, 150_000].map(|from| format!("/mirror/file.bin from {from}")));
    trial.assert_whole();
}

#[test]
fn what_arrived_is_kept_for_the_next_run() {
    let trial = Trial::new(content());
    let (result, _) = trial.run(&[Answer::Cut(70_000), Answer::Cut(0)]);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Network { received: 70_000, .. }), "{error}");
    assert_eq!((trial.part(), trial.states()), (Some(70_000), vec![FileState::Missing]));
    let (result, requests) = trial.run(&[Answer::Good]);
    assert_eq!(result.unwrap()[0], (Stage::Downloading, 70_000));
    assert_eq!(requests, ["/mirror/file.bin from 70000"]);
    trial.assert_whole();
}

#[test]
fn a_server_without_ranges_starts_over() {
    for script in [
        &[Answer::IgnoreRange][..],
        &[Answer::WrongRange, Answer::Good],
        &[Answer::Status(416), Answer::Good],
    ] {
        let trial = Trial::new(content());
        let (result, _) = trial.run(&[Answer::Cut(70_000), Answer::Cut(0)]);
        assert!(result.is_err());
        trial.run(script).0.unwrap();
        trial.assert_whole();
    }
}

#[test]
fn a_wrong_checksum_is_told_and_the_file_removed() {
    let trial = Trial::new(content());
    let (result, _) = trial.run(&[Answer::Damaged]);
    let text = result.unwrap_err().to_string();
    let mut damaged = content();
    damaged[5] ^= 1;
    assert!(
        text.contains(&sha256(&damaged)) && text.contains(&format!("expected {}", sha256(&content()))),
        "{text}"
    );
    assert_eq!((trial.part(), trial.states()), (None, vec![FileState::Missing]));
    trial.run(&[Answer::Good]).0.unwrap();
    trial.assert_whole();
}

#[test]
fn a_wrong_length_is_refused_and_spoils_nothing() {
    let trial = Trial::new(content());
    assert!(trial.run(&[Answer::Cut(70_000), Answer::Cut(0)]).0.is_err());
    let error = trial.run(&[Answer::Other]).0.unwrap_err();
    assert!(matches!(error, Error::WrongLength { expected: 300_000, actual: 26, .. }), "{error}");
    assert_eq!(trial.part(), Some(70_000));
    let error = Trial::new(content()).run(&[Answer::TooLong(1)]).0.unwrap_err();
    assert!(matches!(error, Error::WrongLength { actual: 300_001, .. }), "{error}");
    trial.run(&[Answer::TooLong(0)]).0.unwrap();
    trial.assert_whole();
}

#[test]
fn a_refusal_is_told_with_its_status() {
    for status in [404, 403, 500] {
        let trial = Trial::new(content());
        let error = trial.run(&[Answer::Status(status)]).0.unwrap_err();
        assert!(
            error.to_string().contains(&format!("/mirror/file.bin: the server answered {status}")),
            "{error}"
        );
        assert_eq!(trial.part(), None);
    }
    let trial = Trial::new(content());
    let nobody = Server { base: "http://127.0.0.1:1".into(), requests: Arc::default() };
    assert!(matches!(trial.fetch(&nobody), Err(Error::Network { received: 0, .. })));
}

#[test]
fn a_damaged_file_in_the_cache_is_found_and_replaced() {
    let trial = Trial::new(content());
    trial.run(&[Answer::Good]).0.unwrap();
    let mut bytes = content();
    bytes[7] ^= 1;
    fs::write(trial.path("file.bin"), &bytes).unwrap();
    assert!(matches!(&trial.states()[..], [FileState::WrongChecksum { .. }]));
    fs::write(trial.path("file.bin"), &bytes[..9]).unwrap();
    assert_eq!(trial.states(), [FileState::WrongLength { expected: 300_000, actual: 9 }]);
    trial.run(&[Answer::Good]).0.unwrap();
    trial.assert_whole();
}

#[test]
fn an_unwritable_cache_is_told_by_name() {
    let mut trial = Trial::new(content());
    trial.cache = tempfile::tempdir().unwrap();
    fs::write(trial.cache.path().join("t"), "a file where the folder should be").unwrap();
    let text = trial.run(&[]).0.unwrap_err().to_string();
    assert!(
        text.starts_with("cannot create") && text.contains(trial.cache.path().to_str().unwrap()),
        "{text}"
    );
}

fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        // Written into the header directly: the builder would refuse a path that leads elsewhere.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn link(path: &str, to: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, path, to).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

#[test]
fn an_archive_is_unpacked_and_nothing_but_its_members_is_written() {
    let files: [(&str, &[u8]); 5] = [
        ("../evil.txt", b"outside"),
        ("/tmp/cleave-evil.txt", b"absolute"),
        ("set/readme.html", b"not wanted"),
        ("./set/a.bin", b"aaaa"),
        ("set/names.txt", b"x\ny\n"),
    ];
    let mut trial = Trial::new(tar_gz(&files));
    trial.members = vec![("set/a.bin", Some(4)), ("set/names.txt", None)];
    let (heard, _) = trial.run(&[Answer::Good]);
    assert!(heard.unwrap().iter().any(|(stage, _)| *stage == Stage::Unpacking));
    assert_eq!(fs::read(trial.path("set/a.bin")).unwrap(), b"aaaa");
    assert_eq!(trial.states(), [FileState::Good, FileState::Good]);
    let mut names: Vec<String> = walk(trial.cache.path());
    names.sort();
    assert_eq!(names, ["SHA256SUMS", "a.bin", "names.txt"]);
    assert!(!Path::new("/tmp/cleave-evil.txt").exists());

    fs::write(trial.path("set/names.txt"), "x\nz\n").unwrap();
    assert!(matches!(&trial.states()[..], [FileState::Good, FileState::WrongChecksum { .. }]));
    fs::remove_file(trial.path("SHA256SUMS")).unwrap();
    assert_eq!(trial.states(), [FileState::Unverified, FileState::Unverified]);
}

fn walk(path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            names.extend(walk(&entry.path()));
        } else {
            names.push(entry.file_name().into_string().unwrap());
        }
    }
    names
}

#[test]
fn an_archive_without_its_members_is_refused() {
    let wanted = vec![("set/a.bin", Some(4))];
    for (archive, what) in [
        (tar_gz(&[("set/b.bin", b"bbbb")]), "member set/a.bin: not in the archive"),
        (tar_gz(&[("set/a.bin", b"aaaaa")]), "member set/a.bin: not a file of 4 bytes"),
        (link("set/a.bin", "/etc/passwd"), "member set/a.bin: not a file of 4 bytes"),
        (b"not a gzip file at all".to_vec(), "cannot unpack"),
    ] {
        let mut trial = Trial::new(archive);
        trial.members = wanted.clone();
        let text = trial.run(&[Answer::Good]).0.unwrap_err().to_string();
        assert!(text.contains(what), "{text}");
        assert_eq!(trial.states(), [FileState::Missing]);
    }
}

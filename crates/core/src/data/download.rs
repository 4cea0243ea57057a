//! Downloading a file, resuming where a transfer broke off.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use ureq::http::{Response, Uri, header};
use ureq::{Agent, Body};

use super::Error;
use crate::disk;

/// How often a transfer that broke off after some progress is resumed.
const RETRIES: usize = 4;

/// How long a server may send nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// A file to download, with its published length and checksum.
pub(super) struct Download<'a> {
    pub url: &'a str,
    pub bytes: u64,
    pub sha256: &'a str,
    /// The partial file; what it holds already is not requested again.
    pub part: &'a Path,
}

impl Download<'_> {
    /// Downloads to `part` and reports the bytes so far to `progress`. What arrived before a failure is kept for the
    /// next attempt.
    pub(super) fn run(&self, progress: &mut dyn FnMut(u64)) -> Result<(), Error> {
        let agent = agent(self.url);
        let mut retries = RETRIES;
        while let Err(error) = self.attempt(&agent, progress) {
            let moved = matches!(error, Broken { error: Error::Network { .. }, progress: 1.. });
            if !moved || retries == 0 {
                return Err(error.error);
            }
            retries -= 1;
        }
        Ok(())
    }

    /// Compares the checksum of what arrived; removes the file if it is wrong.
    pub(super) fn verify(&self) -> Result<(), Error> {
        let actual = disk::sha256_of_file(self.part)?;
        if actual == self.sha256 {
            return Ok(());
        }
        fs::remove_file(self.part).map_err(Error::io("remove", self.part))?;
        Err(Error::WrongChecksum { url: self.url.to_string(), expected: self.sha256.to_string(), actual })
    }

    /// Requests what is missing and appends it.
    fn attempt(&self, agent: &Agent, progress: &mut dyn FnMut(u64)) -> Result<(), Broken> {
        let mut kept = fs::metadata(self.part).map_or(0, |metadata| metadata.len());
        if kept > self.bytes {
            fs::remove_file(self.part).map_err(Error::io("remove", self.part))?;
            kept = 0;
        }
        if kept == self.bytes {
            return Ok(());
        }
        let mut response = self.request(agent, kept)?;
        if kept > 0 && !continues(&response, kept) {
            if matches!(response.status().as_u16(), 206 | 416) {
                response = self.request(agent, 0)?;
            }
            kept = 0;
        }
        if response.status() != 200 && response.status() != 206 {
            let status = response.status().as_u16();
            return Err(Error::Http { url: self.url.to_string(), status }.into());
        }
        if let Some(length) = response.body().content_length().filter(|length| kept + length != self.bytes) {
            return Err(self.wrong_length(kept + length).into());
        }
        self.append(response.body_mut().as_reader(), kept, progress)
    }

    /// The response to a request for everything from byte `from` on.
    fn request(&self, agent: &Agent, from: u64) -> Result<Response<Body>, Error> {
        let request = agent.get(self.url).header(header::ACCEPT_ENCODING, "identity");
        let request =
            if from > 0 { request.header(header::RANGE, format!("bytes={from}-")) } else { request };
        request.call().map_err(|error| self.network(error, from))
    }

    fn append(&self, mut reader: impl Read, kept: u64, progress: &mut dyn FnMut(u64)) -> Result<(), Broken> {
        let mut file = disk::append(self.part).map_err(Error::from)?;
        file.set_len(kept).map_err(Error::io("write", self.part))?;
        let mut total = kept;
        let mut buffer = vec![0; 1 << 16];
        progress(total);
        while total < self.bytes {
            let broken = |error| Broken { error, progress: total - kept };
            match reader.read(&mut buffer) {
                Ok(0) => return Err(broken(self.network("the connection was closed", total))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(self.network(error, total))),
                Ok(n) => {
                    total += n as u64;
                    if total > self.bytes {
                        break;
                    }
                    file.write_all(&buffer[..n]).map_err(Error::io("write", self.part))?;
                    progress(total);
                }
            }
        }
        // A server that announces no length may send more.
        if total > self.bytes || matches!(reader.read(&mut buffer), Ok(1..)) {
            fs::remove_file(self.part).map_err(Error::io("remove", self.part))?;
            return Err(self.wrong_length(total.max(self.bytes + 1)).into());
        }
        Ok(())
    }

    fn wrong_length(&self, actual: u64) -> Error {
        Error::WrongLength { url: self.url.to_string(), expected: self.bytes, actual }
    }

    fn network(&self, what: impl ToString, received: u64) -> Error {
        Error::Network { url: self.url.to_string(), what: what.to_string(), received }
    }
}

/// A failed attempt, and how many bytes it received.
struct Broken {
    error: Error,
    progress: u64,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Broken {
        Broken { error, progress: 0 }
    }
}

/// Whether the response starts exactly where the kept bytes end.
fn continues(response: &Response<Body>, kept: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    response.status() == 206 && range.is_some_and(|range| range.starts_with(&format!("bytes {kept}-")))
}

fn agent(url: &str) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("cleave/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(SILENCE))
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE));
    // A proxy from the environment is not for a mirror on this computer.
    let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_string));
    let is_local = host.is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host.as_str()));
    if is_local { config.proxy(None).build().into() } else { config.build().into() }
}

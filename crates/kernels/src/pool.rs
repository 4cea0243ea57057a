//! Threads that share a numbered list of jobs.
//!
//! The threads start with the first call and stay. A call wakes them, takes part in the work, and returns when all
//! jobs are done. Burn's operations use a pool of their own (rayon); nothing here knows it.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

/// How often a thread spins before it sleeps: some tens of microseconds, longer than the gap between two phases of a
/// convolution, since waking a thread costs a system call.
const PATIENCE: usize = if cfg!(miri) { 1 } else { 1000 };

/// The work of a call, given the number of the worker.
type Body = dyn Fn(usize) + Sync;

struct State {
    /// The call that is being served.
    body: Option<&'static Body>,
    /// Workers that may still join it.
    open: usize,
    /// The number of the next to join.
    next: usize,
    /// Threads started so far.
    threads: usize,
    /// Sleeping workers, and whether the caller sleeps: waking nobody would still cost a system call.
    asleep: usize,
    caller_asleep: bool,
    /// The panic of a job.
    panic: Option<Box<dyn std::any::Any + Send>>,
}

struct Pool {
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
    /// One call at a time.
    call: Mutex<()>,
    /// `state.open > 0`, to look at without the lock.
    posted: AtomicBool,
    /// Workers inside the body.
    running: AtomicUsize,
}

/// Calls `job(worker, index)` once for every index below `jobs`, on at most `threads` threads, of which the caller is
/// one. Threads take indices as they become free, in no fixed order. `worker` is below `threads`, and no two jobs
/// that run at the same time have the same. The pool serves one call at a time: during another call, and within a job,
/// the caller does all jobs itself.
///
/// # Panics
///
/// If a job panics, once all threads have stopped working on this call.
pub fn parallel(threads: usize, jobs: usize, job: impl Fn(usize, usize) + Sync) {
    let counter = AtomicUsize::new(0);
    let body = |worker: usize| {
        loop {
            let index = counter.fetch_add(1, Ordering::Relaxed);
            if index >= jobs {
                return;
            }
            job(worker, index);
        }
    };
    let threads = threads.min(jobs);
    let pool = pool();
    let call = if threads > 1 { pool.call.try_lock() } else { return body(0) };
    match call {
        Ok(_call) => pool.serve(threads, &body),
        Err(TryLockError::Poisoned(call)) => {
            let _call = call.into_inner();
            pool.serve(threads, &body);
        }
        Err(TryLockError::WouldBlock) => body(0),
    }
}

/// The `index`-th of `of` parts of some work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub index: usize,
    pub of: usize,
}

impl Part {
    /// Its range of `0..len`. The parts of a length follow each other and differ by at most one.
    pub(crate) fn range(self, len: usize) -> Range<usize> {
        len * self.index / self.of..len * (self.index + 1) / self.of
    }
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| Pool {
        state: Mutex::new(State {
            body: None,
            open: 0,
            next: 0,
            threads: 0,
            asleep: 0,
            caller_asleep: false,
            panic: None,
        }),
        wake: Condvar::new(),
        done: Condvar::new(),
        call: Mutex::new(()),
        posted: AtomicBool::new(false),
        running: AtomicUsize::new(0),
    })
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `body` on the caller and on as many workers as come in time.
    fn serve(&'static self, threads: usize, body: &(dyn Fn(usize) + Sync)) {
        // SAFETY: only the lifetime changes. Workers take the body under the lock while `open` is above zero; `finish`
        // sets it to zero and returns when no worker is inside, and `serve` calls it before the body is dropped, also
        // when the body panics.
        let body = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static Body>(body) };
        let mut state = self.lock();
        while state.threads < threads - 1 {
            let started = std::thread::Builder::new().name("kernels".into()).spawn(|| self.work());
            match started {
                Ok(_) => state.threads += 1,
                Err(_) => break,
            }
        }
        state.body = Some(body);
        state.open = threads - 1;
        state.next = 1;
        self.posted.store(true, Ordering::Release);
        let asleep = state.asleep > 0;
        drop(state);
        if asleep {
            self.wake.notify_all();
        }
        let own = catch_unwind(AssertUnwindSafe(|| body(0)));
        let panic = self.finish();
        if let Some(panic) = own.err().or(panic) {
            resume_unwind(panic);
        }
    }

    /// Closes the call to further workers and waits for those inside. Returns a job's panic.
    fn finish(&self) -> Option<Box<dyn std::any::Any + Send>> {
        let mut state = self.lock();
        state.open = 0;
        state.body = None;
        self.posted.store(false, Ordering::Relaxed);
        drop(state);
        for _ in 0..PATIENCE {
            if self.running.load(Ordering::Acquire) == 0 {
                break;
            }
            std::hint::spin_loop();
        }
        let mut state = self.lock();
        while self.running.load(Ordering::Acquire) > 0 {
            state.caller_asleep = true;
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.caller_asleep = false;
        }
        state.panic.take()
    }

    /// What a worker does for as long as the process lives: waits for a call, joins it, reports a panic.
    fn work(&self) {
        loop {
            for _ in 0..PATIENCE {
                if self.posted.load(Ordering::Acquire) {
                    break;
                }
                std::hint::spin_loop();
            }
            let mut state = self.lock();
            let (body, worker) = loop {
                match state.body {
                    Some(body) if state.open > 0 => break (body, state.next),
                    _ => {
                        state.asleep += 1;
                        state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                        state.asleep -= 1;
                    }
                }
            };
            state.open -= 1;
            state.next += 1;
            self.posted.store(state.open > 0, Ordering::Relaxed);
            self.running.fetch_add(1, Ordering::Relaxed);
            drop(state);
            let result = catch_unwind(AssertUnwindSafe(|| body(worker)));
            let mut state = self.lock();
            if let Err(panic) = result {
                state.panic = Some(panic);
            }
            self.running.fetch_sub(1, Ordering::Release);
            if state.caller_asleep {
                self.done.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once_whatever_the_number_of_threads() {
        for threads in 1..5 {
            let counts: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
            for _ in 0..20 {
                parallel(threads, counts.len(), |worker, index| {
                    assert!(worker < threads);
                    counts[index].fetch_add(1, Ordering::Relaxed);
                });
            }
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 20));
        }
    }

    #[test]
    fn parts_follow_each_other_and_cover_the_whole() {
        for (len, of) in [(0, 1), (1, 3), (7, 3), (9, 3), (5, 9)] {
            let parts = (0..of).map(|index| Part { index, of }.range(len));
            assert!(parts.flatten().eq(0..len), "{len} in {of} parts");
        }
    }

    #[test]
    fn jobs_may_start_jobs() {
        let count = AtomicUsize::new(0);
        parallel(3, 4, |_, _| {
            parallel(3, 4, |_, _| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 16);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_leaves_the_pool_usable() {
        let result = catch_unwind(|| parallel(2, 8, |_, index| assert!(index != 5, "five")));
        assert!(result.is_err());
        let count = AtomicUsize::new(0);
        parallel(2, 8, |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 8);
    }
}

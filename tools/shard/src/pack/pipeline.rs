//! Runs jobs on many threads within a memory budget, and takes their results in order.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How much of the machine a run may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Worker threads.
    pub(crate) threads: usize,
    /// Memory for jobs under way and for results that wait to be taken, in bytes.
    pub(crate) bytes: u64,
}

/// Jobs, known by their numbers.
pub(crate) trait Jobs: Sync {
    /// What a job gives.
    type Output: Send;

    /// The most memory that a job takes while it runs, in bytes.
    fn cost(&self, job: usize) -> u64;

    /// Runs a job.
    fn run(&self, job: usize) -> Self::Output;

    /// The memory that a result takes until it is taken, in bytes.
    fn held(output: &Self::Output) -> u64;
}

/// A thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start thread {number} of {threads}: {source}; hint: --threads asks for fewer")]
pub struct ThreadError {
    number: usize,
    threads: usize,
    source: io::Error,
}

/// Runs `jobs` and gives their results to `take` in order, on the calling thread, until it breaks.
///
/// The jobs' memory stays within the limit, but for a job that exceeds it alone; such a job runs
/// alone. No thread waits for another as long as there is memory: there are no rounds.
pub(crate) fn run_in_order<J: Jobs, E: From<ThreadError>>(
    jobs: &J,
    range: Range<usize>,
    limits: Limits,
    mut take: impl FnMut(usize, J::Output) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let threads = limits.threads.clamp(1, range.len().max(1));
    let shared = Shared {
        state: Mutex::new(State {
            next: range.start,
            leader: Some(0),
            parked: (1..threads).collect(),
            used: 0,
            results: BTreeMap::new(),
            stopped: false,
        }),
        lead: (0..threads).map(|_| Condvar::new()).collect(),
        memory: Condvar::new(),
        result: Condvar::new(),
        end: range.end,
        bytes: limits.bytes,
    };
    thread::scope(|scope| {
        let shared = &shared;
        // However this ends, workers that wait are woken and end, too.
        let _stop = StopAtEnd(shared);
        for worker in 0..threads {
            thread::Builder::new()
                .name(format!("worker {worker}"))
                .spawn_scoped(scope, move || shared.work(worker, jobs))
                .map_err(|source| ThreadError { number: worker + 1, threads, source })?;
        }
        for job in range {
            // None: a worker panicked, and the scope will pass that on.
            let Some((output, held)) = shared.wait_for_result(job) else { break };
            let flow = take(job, output)?;
            shared.free(held);
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    })
}

/// What the workers share.
///
/// One worker at a time is the leader: it takes the next job, waits for its memory, passes the lead
/// on and runs the job. So memory is given in order, whatever holds memory comes before whatever
/// waits for it, and nothing can wait for ever. The lead goes to the lowest worker that is free:
/// where memory is for few jobs at once, few workers run them, and the memory that allocators keep
/// for each thread stays small as well.
struct Shared<R> {
    state: Mutex<State<R>>,
    /// For each worker: it has the lead, or all is over.
    lead: Vec<Condvar>,
    /// Memory was given back.
    memory: Condvar,
    /// A result has come in.
    result: Condvar,
    end: usize,
    bytes: u64,
}

struct State<R> {
    /// The next job that no worker has.
    next: usize,
    leader: Option<usize>,
    /// Workers without a job.
    parked: BTreeSet<usize>,
    /// Bytes given out.
    used: u64,
    /// Results that wait, each with the bytes it holds.
    results: BTreeMap<usize, (R, u64)>,
    stopped: bool,
}

impl<R> Shared<R> {
    fn work<J: Jobs<Output = R>>(&self, worker: usize, jobs: &J) {
        let _stop = StopOnPanic(self);
        while let Some(job) = self.next_job(worker) {
            let cost = jobs.cost(job);
            if !self.wait_for_memory(cost) {
                return;
            }
            let output = jobs.run(job);
            let held = J::held(&output);
            let mut state = self.lock();
            state.used = state.used - cost + held;
            state.results.insert(job, (output, held));
            // At once with the memory, so that whoever gets it sees that this worker is free.
            match state.leader {
                None => state.leader = Some(worker),
                Some(_) => _ = state.parked.insert(worker),
            }
            drop(state);
            self.result.notify_one();
            self.memory.notify_one();
        }
    }

    /// Waits for the lead and takes the next job; none when all is over.
    fn next_job(&self, worker: usize) -> Option<usize> {
        let mut state = self.lock();
        while state.leader != Some(worker) && !state.stopped {
            state = self.lead[worker].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let job = state.next;
        state.next += 1;
        (!state.stopped && job < self.end).then_some(job)
    }

    /// Waits for the leader's memory and passes the lead on; false when all is over.
    fn wait_for_memory(&self, cost: u64) -> bool {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return false;
            }
            let fits = state.used.checked_add(cost).is_some_and(|used| used <= self.bytes);
            if fits || state.used == 0 {
                state.used += cost;
                // None: the first worker to be free takes the lead.
                state.leader = state.parked.pop_first();
                if let Some(leader) = state.leader {
                    self.lead[leader].notify_one();
                }
                return true;
            }
            state = self.memory.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_for_result(&self, job: usize) -> Option<(R, u64)> {
        let mut state = self.lock();
        loop {
            if let Some(result) = state.results.remove(&job) {
                return Some(result);
            }
            if state.stopped {
                return None;
            }
            state = self.result.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn free(&self, held: u64) {
        self.lock().used -= held;
        self.memory.notify_one();
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.lead.iter().chain([&self.memory, &self.result]).for_each(Condvar::notify_all);
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct StopAtEnd<'a, R>(&'a Shared<R>);

impl<R> Drop for StopAtEnd<'_, R> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

struct StopOnPanic<'a, R>(&'a Shared<R>);

impl<R> Drop for StopOnPanic<'_, R> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

#[cfg(test)]
mod tests;

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
            leader: None,
            parked: BTreeSet::new(),
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
            drop(state);
            self.result.notify_one();
            self.memory.notify_one();
        }
    }

    /// Waits for the lead and takes the next job; none when all is over.
    fn next_job(&self, worker: usize) -> Option<usize> {
        let mut state = self.lock();
        if state.leader.is_none() {
            state.leader = Some(worker);
        }
        while state.leader != Some(worker) && !state.stopped {
            state.parked.insert(worker);
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
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::sync::{Barrier, OnceLock};

    use super::*;

    /// Jobs that count the memory in use themselves.
    struct Counted {
        costs: Vec<u64>,
        used: AtomicU64,
        peak: AtomicU64,
        run: AtomicUsize,
    }

    /// A result holds a quarter of its job's cost.
    struct Part(u64);

    impl Counted {
        fn new(costs: Vec<u64>) -> Self {
            let [used, peak] = [0, 0].map(AtomicU64::new);
            Self { costs, used, peak, run: AtomicUsize::new(0) }
        }
    }

    impl Jobs for Counted {
        type Output = Part;

        fn cost(&self, job: usize) -> u64 {
            self.costs[job]
        }

        fn run(&self, job: usize) -> Part {
            let cost = self.costs[job];
            let used = self.used.fetch_add(cost, Ordering::SeqCst) + cost;
            self.peak.fetch_max(used, Ordering::SeqCst);
            self.run.fetch_add(1, Ordering::SeqCst);
            for _ in 0..job * 7919 % 300 {
                thread::yield_now();
            }
            self.used.fetch_sub(cost - cost / 4, Ordering::SeqCst);
            Part(cost / 4)
        }

        fn held(output: &Part) -> u64 {
            output.0
        }
    }

    fn run(jobs: &Counted, threads: usize, bytes: u64) -> Vec<usize> {
        let mut order = Vec::new();
        let limits = Limits { threads, bytes };
        run_in_order::<_, ThreadError>(jobs, 0..jobs.costs.len(), limits, |job, output| {
            order.push(job);
            jobs.used.fetch_sub(output.0, Ordering::SeqCst);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        order
    }

    #[test]
    fn results_come_in_order_and_memory_stays_within_the_budget() {
        let costs: Vec<u64> = (0..200).map(|job| 4 * (1 + job * 37 % 25)).collect();
        for (threads, bytes) in [(1, 100), (2, 100), (7, 100), (7, 350), (7, u64::MAX)] {
            let jobs = Counted::new(costs.clone());
            assert_eq!(run(&jobs, threads, bytes), (0..200).collect::<Vec<_>>());
            let peak = jobs.peak.load(Ordering::SeqCst);
            assert!(peak <= bytes, "{peak} bytes with {threads} threads and {bytes} bytes");
        }
    }

    #[test]
    fn a_job_beyond_the_whole_budget_runs_alone() {
        let jobs = Counted::new(vec![8, 8, 4000, 8, 8, 4000, 8]);
        assert_eq!(run(&jobs, 4, 20), (0..7).collect::<Vec<_>>());
        assert_eq!(jobs.peak.load(Ordering::SeqCst), 4000);
        let none = Counted::new(vec![4; 9]);
        assert_eq!(run(&none, 4, 0).len(), 9, "even a budget of nothing gets on");
    }

    #[test]
    fn after_a_break_or_an_error_no_further_job_is_started() {
        let limits = Limits { threads: 3, bytes: 12 };
        for fails in [false, true] {
            let jobs = Counted::new(vec![4; 1000]);
            let result = run_in_order(&jobs, 0..1000, limits, |job, _| match (job, fails) {
                (5, true) => Err(ThreadError {
                    number: 0,
                    threads: 0,
                    source: io::Error::other("made for a test"),
                }),
                (5, false) => Ok(ControlFlow::Break(())),
                _ => Ok(ControlFlow::Continue(())),
            });
            assert_eq!(result.is_err(), fails);
            let run = jobs.run.load(Ordering::SeqCst);
            assert!(run < 50, "{run} jobs run");
        }
    }

    #[test]
    fn where_memory_is_for_one_job_two_workers_take_turns() {
        struct Names(Mutex<BTreeSet<String>>);

        impl Jobs for Names {
            type Output = ();

            fn cost(&self, _: usize) -> u64 {
                10
            }

            fn run(&self, _: usize) {
                let name = thread::current().name().unwrap_or_default().to_owned();
                self.0.lock().unwrap().insert(name);
            }

            fn held((): &()) -> u64 {
                0
            }
        }

        let jobs = Names(Mutex::default());
        let limits = Limits { threads: 16, bytes: 10 };
        run_in_order::<_, ThreadError>(&jobs, 0..500, limits, |_, ()| {
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        let workers = jobs.0.lock().unwrap();
        // Others may come in while the threads are being started.
        assert!(workers.len() < 8, "{workers:?}");
    }

    /// Two jobs that each wait until the other runs, and one that outlasts all others.
    struct Together(Barrier, OnceLock<()>);

    impl Jobs for Together {
        type Output = usize;

        fn cost(&self, _: usize) -> u64 {
            1
        }

        fn run(&self, job: usize) -> usize {
            match job {
                // The first job ends when the last one begins: no round keeps it from beginning.
                0 => _ = self.1.wait(),
                31 => _ = self.1.set(()),
                1 | 2 => _ = self.0.wait(),
                _ => {}
            }
            job
        }

        fn held(_: &usize) -> u64 {
            1
        }
    }

    #[test]
    fn threads_run_at_once_and_a_slow_job_keeps_no_other_from_starting() {
        let jobs = Together(Barrier::new(2), OnceLock::new());
        let limits = Limits { threads: 3, bytes: 32 };
        let mut taken = 0;
        run_in_order::<_, ThreadError>(&jobs, 0..32, limits, |job, output| {
            assert_eq!(job, output);
            taken += 1;
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        assert_eq!(taken, 32);
    }

    struct Panics;

    impl Jobs for Panics {
        type Output = ();

        fn cost(&self, _: usize) -> u64 {
            1
        }

        fn run(&self, job: usize) {
            assert!(job != 3, "job 3 panics");
        }

        fn held((): &()) -> u64 {
            1
        }
    }

    #[test]
    fn a_panic_of_a_job_reaches_the_caller() {
        let limits = Limits { threads: 2, bytes: 2 };
        let run = || {
            run_in_order::<_, ThreadError>(&Panics, 0..100, limits, |_, ()| {
                Ok(ControlFlow::Continue(()))
            })
        };
        assert!(std::panic::catch_unwind(run).is_err());
    }
}

//! Tests of running jobs in order.

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
    run_in_order::<_, ThreadError>(&jobs, 0..500, limits, |_, ()| Ok(ControlFlow::Continue(())))
        .unwrap();
    let workers = jobs.0.lock().unwrap();
    assert_eq!(*workers, BTreeSet::from(["worker 0".to_owned(), "worker 1".to_owned()]));
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

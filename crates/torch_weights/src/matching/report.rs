//! What became of each tensor of a file, and which of it is a surprise.

use models::weights::{HostTensor, MEMORY_KEY, NamedTensors};

use crate::naming::Naming;

/// How the names of running variances end.
const VARIANCE: &str = ".running_var";

/// A tensor of the file that is one of the network's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Its name in the network.
    pub name: String,
    /// Its name in the file.
    pub source: String,
}

/// A tensor of the network that the file does not have, or a tensor of the file that the network
/// does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmatched {
    /// Its name where it is.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// A tensor with another shape in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatched {
    /// Its name in the network.
    pub name: String,
    /// Its name in the file.
    pub source: String,
    /// Its shape in the file.
    pub found: Vec<usize>,
    /// Its shape in the network.
    pub expected: Vec<usize>,
}

/// A tensor of the file that no network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its name in the file.
    pub source: String,
    /// Why it is not needed.
    pub reason: &'static str,
}

/// What became of each tensor of the file and of the network.
#[derive(Clone, Debug)]
pub struct MatchReport {
    /// Whose names the file has.
    pub naming: &'static Naming,
    /// Taken over.
    pub matched: Vec<Matched>,
    /// In the network alone.
    pub missing: Vec<Unmatched>,
    /// In the file alone; also a second tensor for the same place.
    pub unexpected: Vec<Unmatched>,
    /// In both, with different shapes; not taken over.
    pub mismatched: Vec<Mismatched>,
    /// In the file alone, for a known reason.
    pub ignored: Vec<Ignored>,
    /// Taken over, in the network's names, with a value that is infinite or not a number.
    pub not_finite: Vec<String>,
    /// Taken over, in the network's names: running variances with a value below 0.
    pub negative: Vec<String>,
    /// The memory, in the network's name, where every value is 0: it was never filled. Not taken
    /// over, so that a run fills it from its data.
    pub unfilled: Vec<String>,
    /// The program that a backbone's names in the file are of, where they tell.
    pub recognised: Option<&'static Naming>,
}

/// Name prefixes (the network's, or the file's for `unexpected`) of what is no surprise.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// Tensors that the file may lack, or have without a value.
    pub missing: Vec<String>,
    /// Tensors that the file may have beyond the network's.
    pub unexpected: Vec<String>,
    /// Tensors that may have other shapes, and are then left out.
    pub mismatched: Vec<String>,
}

impl MatchReport {
    /// Of a file in this naming, before any tensor of it.
    pub(super) fn new(naming: &'static Naming, recognised: Option<&'static Naming>) -> Self {
        Self {
            naming,
            matched: Vec::new(),
            missing: Vec::new(),
            unexpected: Vec::new(),
            mismatched: Vec::new(),
            ignored: Vec::new(),
            not_finite: Vec::new(),
            negative: Vec::new(),
            unfilled: Vec::new(),
            recognised,
        }
    }

    /// Number of missing, unfilled, unexpected and mismatched tensors that are not allowed, and of
    /// those that hold what cannot be.
    #[must_use]
    pub fn surprises(&self, allowed: &Allowed) -> usize {
        let is_surprise = |name: &&str, prefixes: &[String]| {
            !prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
        };
        let counts = self.allowable(allowed).map(|(_, prefixes, names)| {
            names.iter().filter(|name| is_surprise(name, prefixes)).count()
        });
        counts.iter().sum::<usize>() + self.impossible()
    }

    /// Number of tensors that hold what cannot be, and that nothing allows.
    #[must_use]
    pub fn impossible(&self) -> usize {
        self.not_finite.len() + self.negative.len()
    }

    /// Prefixes that allow nothing, as no name begins so: kind and prefix.
    #[must_use]
    pub fn unused<'a>(&self, allowed: &'a Allowed) -> Vec<(&'static str, &'a str)> {
        let of_kind = |(kind, prefixes, names): (&'static str, &'a [String], Vec<&str>)| {
            let is_used = |prefix: &&'a String| names.iter().any(|at| at.starts_with(*prefix));
            let unused: Vec<&String> = prefixes.iter().filter(|at| !is_used(at)).collect();
            unused.into_iter().map(move |prefix| (kind, prefix.as_str())).collect::<Vec<_>>()
        };
        self.allowable(allowed).into_iter().flat_map(of_kind).collect()
    }

    /// Each kind that can be allowed, with the prefixes that allow it and the names that there are.
    fn allowable<'a, 'r>(
        &'r self,
        allowed: &'a Allowed,
    ) -> [(&'static str, &'a [String], Vec<&'r str>); 3] {
        let names = |unmatched: &'r [Unmatched]| unmatched.iter().map(|at| at.name.as_str());
        let missing = names(&self.missing).chain(self.unfilled.iter().map(String::as_str));
        let mismatched = self.mismatched.iter().map(|at| at.name.as_str());
        [
            ("missing", &allowed.missing, missing.collect()),
            ("unexpected", &allowed.unexpected, names(&self.unexpected).collect()),
            ("mismatched", &allowed.mismatched, mismatched.collect()),
        ]
    }

    /// Takes a tensor of the network's shape over, with remarks on its values.
    pub(super) fn take(&mut self, name: String, tensor: HostTensor, fitting: &mut NamedTensors) {
        if tensor.values.iter().any(|value| !value.is_finite()) {
            self.not_finite.push(name.clone());
        }
        if name.ends_with(VARIANCE) && tensor.values.iter().any(|&value| value < 0.0) {
            self.negative.push(name.clone());
        }
        if name == MEMORY_KEY && tensor.values.iter().all(|&value| value == 0.0) {
            self.unfilled.push(name);
        } else {
            fitting.insert(name, tensor);
        }
    }
}

//! Runs kernels with the widest vector instructions that the processor has.
//!
//! A kernel is plain Rust over slices and arrays, marked `#[inline(always)]`, so that the compiler
//! translates it once for each level and vectorizes each copy. Its result must not depend on the
//! level. Integers see to that by themselves; floats do as long as the kernel fixes the order of its
//! operations: both higher levels have fused multiply-add, but rustc never contracts `a * b + c`,
//! and tests compare every kernel's bits on all levels.
#![forbid(unsafe_code)]

/// A set of vector instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the compilation target has: SSE2 on x86-64, NEON on AArch64.
    Baseline,
    /// x86-64-v3: 256-bit vectors.
    Avx2,
    /// x86-64-v4: 512-bit vectors.
    Avx512,
}

impl Level {
    /// The highest level of this processor.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::Baseline)
    }

    /// All levels of this processor, the lowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Baseline, Self::Avx2, Self::Avx512].into_iter().filter(|level| level.is_available())
    }

    #[cfg(target_arch = "x86_64")]
    fn is_available(self) -> bool {
        match self {
            Self::Baseline => true,
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_available(self) -> bool {
        self == Self::Baseline
    }

    /// Runs `kernel` at this level, or at the baseline where the processor lacks it.
    ///
    /// `kernel` must be inlined to gain anything: a closure marked `#[inline(always)]` that calls
    /// functions marked alike.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn run<R>(self, kernel: impl FnOnce() -> R) -> R {
        match self {
            Self::Avx512 => {
                if let Some(simd) = pulp::x86::V4::try_new() {
                    return simd.vectorize(kernel);
                }
            }
            Self::Avx2 => {
                if let Some(simd) = pulp::x86::V3::try_new() {
                    return simd.vectorize(kernel);
                }
            }
            Self::Baseline => {}
        }
        kernel()
    }

    /// Runs `kernel`.
    #[cfg(not(target_arch = "x86_64"))]
    #[inline(always)]
    pub fn run<R>(self, kernel: impl FnOnce() -> R) -> R {
        kernel()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_level_is_the_last_available_one_and_the_baseline_is_always_there() {
        let levels: Vec<Level> = Level::available().collect();
        assert_eq!(levels[0], Level::Baseline);
        assert!(levels.is_sorted());
        assert_eq!(levels.last(), Some(&Level::best()));
    }

    /// Otherwise tests that compare all levels would compare the baseline with itself.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn levels_are_found_where_the_processor_has_their_main_instructions() {
        let has = |wanted| Level::available().any(|level| level == wanted);
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi2");
        assert_eq!(has(Level::Avx2), avx2);
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        assert_eq!(has(Level::Avx512), avx2 && avx512);
    }

    #[test]
    fn a_kernel_runs_once_and_returns_its_result_on_every_level() {
        for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
            let mut runs = 0;
            let result = level.run(|| {
                runs += 1;
                (0..1000_u32).map(|value| value * value).sum::<u32>()
            });
            assert_eq!((runs, result), (1, 332_833_500));
        }
    }
}

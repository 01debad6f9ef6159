//! Which instructions the hot loops run on: chosen once a call, the same answer whatever is chosen.
//!
//! Each hot loop is one body compiled for several instruction sets. [`Kernel`] can only be made for
//! sets that the machine has, which is what makes calling them sound: `dispatched!` is the door, and
//! the files of this folder hold the crate's only `unsafe`.

mod above;
mod aligned;
mod amx;
mod bisect;
#[cfg(target_arch = "x86_64")]
mod bisect_halves;
mod bounds;
mod collect;
mod count;
mod draws;
mod int8;
mod interleave;
mod kth;
mod maxima;
mod quantise;
mod scramble;
mod tally;
mod tile;
mod tile_registers;
mod wide;

use crate::{Error, Result};

pub use above::{Above, above_plainly};
pub use aligned::Aligned;
pub use amx::{FINER, PanelSide, PanelTiles, QueryTile, SIDE, SideStep, TILE, TILE_COLUMNS};
pub use bisect::{Hits, LONGEST, bisect_plainly};
pub use bounds::BOUNDS;
pub use collect::Reached;
pub use count::{Counts, FEW, count_plainly};
pub use draws::draw;
pub use int8::{MOST_COLUMNS, PanelBytes, PanelStep, QueryGroup, QueryStep, STEP};
pub use interleave::STRIPE;
pub use kth::Halves;
pub use maxima::{Maxima, WIDTH};
pub use quantise::Quantised;
pub use scramble::{Network, ROUNDS};
pub use tally::{Bands, Golds, Sixteen, Standings};
pub use tile::{GROUP, LANES, PANEL, Scores, inner_product};
pub use tile_registers::Tiles;
pub use wide::Lanes;
pub(crate) use wide::prefetch;

/// The environment variable that names the instruction set to use, for tests and comparisons.
pub const VARIABLE: &str = "HYBRID_FAST_CPU";

/// An instruction set that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Isa);

/// In ascending order: each holds all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Isa {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    Amx,
}

impl Kernel {
    /// The plain compilation, for every machine.
    pub const PORTABLE: Self = Self(Isa::Portable);

    /// What this machine can run, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))] // nothing to add elsewhere
        let mut kernels = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            let steps = [
                (
                    Isa::Avx2,
                    is_x86_feature_detected!("avx2")
                        && is_x86_feature_detected!("fma")
                        && is_x86_feature_detected!("f16c")
                        && is_x86_feature_detected!("bmi2")
                        && is_x86_feature_detected!("popcnt"),
                ),
                (
                    Isa::Avx512,
                    is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512bw")
                        && is_x86_feature_detected!("avx512dq")
                        && is_x86_feature_detected!("avx512vl"),
                ),
                (Isa::Avx512Vnni, is_x86_feature_detected!("avx512vnni")),
                #[cfg(target_os = "linux")]
                (Isa::Amx, tile_registers::x86::is_allowed()),
            ];
            kernels.extend(
                steps
                    .iter()
                    .take_while(|step| step.1)
                    .map(|step| Self(step.0)),
            );
        }
        kernels
    }

    /// The fastest that this machine can run.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().pop().unwrap_or(Self::PORTABLE)
    }

    /// The one that the environment variable [`VARIABLE`] names, else the fastest.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the machine has no such instruction set.
    pub fn chosen() -> Result<Self> {
        let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else {
            return Ok(Self::detect());
        };
        let kernels = Self::available();
        let named = kernels.iter().find(|kernel| name == kernel.name());
        named.copied().ok_or_else(|| {
            let names: Vec<_> = kernels.iter().map(|kernel| kernel.name()).collect();
            Error::InvalidArgument(format!(
                "{VARIABLE} is {name:?}; this machine has {}",
                names.join(", ")
            ))
        })
    }

    /// The name of the instruction set, as [`VARIABLE`] takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => "avx512vnni",
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => "amx",
        }
    }
}

/// Defines methods of [`Kernel`] that run an `#[inline(always)]` body compiled for its instruction set.
macro_rules! dispatched {
    ($($(#[$doc:meta])* $name:ident, $avx2:ident, $avx512:ident = $body:ident
        ($($argument:ident: $kind:ty),*) $(-> $answer:ty)?;)*) => {
        impl Kernel {
            $($(#[$doc])*
            #[inline]
            #[allow(unsafe_code)] // calls of functions compiled for more instructions
            pub fn $name(self, $($argument: $kind),*) $(-> $answer)? {
                match self.0 {
                    Isa::Portable => $body($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: `available` makes this variant only where these features were detected.
                    Isa::Avx2 => unsafe { $avx2($($argument),*) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: `available` makes these variants only where these features were detected.
                    Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx => unsafe { $avx512($($argument),*) },
                }
            })*
        }
        $(#[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
        fn $avx2($($argument: $kind),*) $(-> $answer)? { $body($($argument),*) }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
        fn $avx512($($argument: $kind),*) $(-> $answer)? { $body($($argument),*) })*
    };
}
use dispatched;

/// Ascending scores that have tripped up comparisons: infinities, both zeros, denormals, neighbours.
#[cfg(test)]
pub(crate) const LEVELS: [f32; 24] = [
    f32::NEG_INFINITY,
    f32::MIN,
    -3.5,
    -1.0,
    -1e-7,
    -f32::MIN_POSITIVE,
    -1e-45,
    -0.0,
    0.0,
    1e-45,
    1e-40,
    f32::MIN_POSITIVE,
    1e-7,
    0.25,
    0.5,
    0.500_000_06,
    0.75,
    1.0,
    1.000_000_1,
    2.0,
    4.0,
    65504.0,
    f32::MAX,
    f32::INFINITY,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_kernel_is_the_fastest_and_has_a_name() {
        let kernels = Kernel::available();
        assert_eq!(kernels[0], Kernel::PORTABLE);
        assert_eq!(kernels.last(), Some(&Kernel::detect()));
        assert!(kernels.iter().all(|kernel| !kernel.name().is_empty()));
    }
}

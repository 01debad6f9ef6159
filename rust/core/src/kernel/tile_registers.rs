//! The tile registers of a thread: asked of the system, set up, and given back.

use std::marker::PhantomData;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::Isa;
use super::Kernel;

/// The tile registers of this thread, set up as long as this value lives.
#[derive(Debug)]
pub struct Tiles {
    kernel: Kernel,
    /// Tiles belong to a thread.
    stays: PhantomData<*const ()>,
}

impl Kernel {
    /// Whether tiles of bytes are multiplied, by [`Tiles::approximate`].
    #[must_use]
    pub fn has_tiles(self) -> bool {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        {
            self.0 == Isa::Amx
        }
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
        {
            false
        }
    }

    /// Sets up the tile registers of this thread, where there are any.
    #[must_use]
    pub fn tiles(self) -> Tiles {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if self.0 == Isa::Amx {
            x86::configure();
        }
        Tiles {
            kernel: self,
            stays: PhantomData,
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if self.kernel.0 == Isa::Amx {
            x86::release();
        }
    }
}

impl Tiles {
    /// The instruction set they were set up for.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[allow(unsafe_code)] // instructions and a system call that have no safe name
pub(super) mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::*;
    use std::cell::Cell;
    use std::sync::OnceLock;

    /// Whether the machine has tiles of bytes and the system lets this process use them.
    pub(in crate::kernel) fn is_allowed() -> bool {
        static ALLOWED: OnceLock<bool> = OnceLock::new();
        *ALLOWED.get_or_init(|| {
            // AMX-TILE and AMX-INT8 of the processor, then both parts of their state in XCR0.
            const FEATURES: u32 = 1 << 24 | 1 << 25;
            const STATE: u64 = 1 << 17 | 1 << 18;
            const OSXSAVE: u32 = 1 << 27;
            // Miri knows neither tiles nor assembly.
            if cfg!(miri)
                || __cpuid(0).eax < 7
                || __cpuid(1).ecx & OSXSAVE == 0
                || __cpuid_count(7, 0).edx & FEATURES != FEATURES
            {
                return false;
            }
            let (low, high): (u32, u32);
            // SAFETY: OSXSAVE says that the instruction exists; it only reads.
            unsafe {
                asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack));
            }
            let state = u64::from(high) << 32 | u64::from(low);
            state & STATE == STATE && ask()
        })
    }

    /// Asks the system for the state of tiles (`arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)`).
    fn ask() -> bool {
        let answer: i64;
        // SAFETY: a system call that changes nothing but what this process may use; `syscall` itself
        // overwrites rcx and r11.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") 158i64 => answer,
                in("rdi") 0x1023,
                in("rsi") 18,
                out("rcx") _,
                out("r11") _,
                options(nostack)
            );
        }
        answer == 0
    }

    /// The layout of eight tiles of 16 rows of 64 bytes.
    #[repr(C, align(64))]
    struct Layout {
        palette: u8,
        start: u8,
        reserved: [u8; 14],
        bytes: [u16; 16],
        rows: [u8; 16],
    }

    thread_local! {
        /// How many values of [`super::Tiles`] this thread holds.
        static HELD: Cell<usize> = const { Cell::new(0) };
    }

    /// Sets the tiles up unless this thread holds them already.
    pub(super) fn configure() {
        if HELD.replace(HELD.get() + 1) > 0 {
            return;
        }
        let mut layout = Layout {
            palette: 1,
            start: 0,
            reserved: [0; 14],
            bytes: [0; 16],
            rows: [0; 16],
        };
        layout.bytes[..8].fill(64);
        layout.rows[..8].fill(16);
        // SAFETY: only called where `is_allowed`; the layout is valid for palette 1.
        unsafe { asm!("ldtilecfg [{0}]", in(reg) &raw const layout, options(nostack)) };
    }

    /// Gives the tiles back with the last one that this thread holds.
    pub(super) fn release() {
        HELD.set(HELD.get() - 1);
        if HELD.get() == 0 {
            // SAFETY: only called where `is_allowed`.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }
}

//! A pointer that several threads use at once.

/// A pointer to floats that jobs on several threads share. The type promises nothing: whoever dereferences it says
/// why no other job has the same values.
#[derive(Clone, Copy)]
pub(crate) struct SendPtr(pub *mut f32);

// SAFETY: sending a pointer is harmless; each use of it is an unsafe block with a reason of its own.
unsafe impl Send for SendPtr {}
// SAFETY: as above.
unsafe impl Sync for SendPtr {}

impl SendPtr {
    /// A pointer to values that are only read. It must not be written through.
    pub(crate) fn read_only(values: &[f32]) -> Self {
        SendPtr(values.as_ptr().cast_mut())
    }

    /// The place `offset` values on.
    ///
    /// # Safety
    ///
    /// It lies in the same allocation, or at its end.
    #[inline(always)]
    pub(crate) unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the place is in the allocation or at its end, by this function's contract.
        unsafe { self.0.add(offset) }
    }
}

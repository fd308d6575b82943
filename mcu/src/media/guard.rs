//! Keeps a panic in one peer's state inside that peer.
//!
//! The WebRTC stack parses bytes of authenticated strangers and has been made to panic by them. Every call
//! into it goes through [`Guarded::call`]; after the first panic the state is dropped and never touched
//! again.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A value whose methods may panic.
#[derive(Debug)]
pub(super) struct Guarded<T> {
    /// Boxed, so that forgetting it after a panic in `drop` costs nothing but its memory.
    value: Option<Box<T>>,
}

/// The value panicked, now or earlier, and is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Faulted;

impl<T> Guarded<T> {
    /// Guards a value that is there already.
    pub(super) fn new(value: T) -> Self {
        Self {
            value: Some(Box::new(value)),
        }
    }

    /// Whether the value has panicked.
    pub(super) fn is_gone(&self) -> bool {
        self.value.is_none()
    }

    /// Builds the value; building may panic too.
    pub(super) fn build<E>(
        build: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<Self, E>, Faulted> {
        // Nothing of a value that was never finished survives the unwinding.
        match catch_unwind(AssertUnwindSafe(build)) {
            Ok(Ok(value)) => Ok(Ok(Self {
                value: Some(Box::new(value)),
            })),
            Ok(Err(error)) => Ok(Err(error)),
            Err(_) => Err(Faulted),
        }
    }

    /// Calls into the value. A panic ends it.
    pub(super) fn call<R>(&mut self, call: impl FnOnce(&mut T) -> R) -> Result<R, Faulted> {
        let value = self.value.as_mut().ok_or(Faulted)?;
        // Unwind-safe by rule: after a panic nobody sees the value again.
        match catch_unwind(AssertUnwindSafe(|| call(value))) {
            Ok(result) => Ok(result),
            Err(_) => {
                self.discard();
                Err(Faulted)
            }
        }
    }

    /// Drops the value. When its `drop` panics, whatever was not dropped yet is forgotten.
    fn discard(&mut self) {
        if let Some(value) = self.value.take()
            && catch_unwind(AssertUnwindSafe(|| drop(value))).is_err()
        {
            tracing::error!("peer state panicked while it was dropped");
        }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    struct Fragile {
        drops: Rc<Cell<u32>>,
        drop_panics: bool,
    }

    impl Drop for Fragile {
        fn drop(&mut self) {
            self.drops.set(self.drops.get() + 1);
            assert!(!self.drop_panics, "drop of a broken peer");
        }
    }

    fn fragile(drop_panics: bool) -> (Guarded<Fragile>, Rc<Cell<u32>>) {
        let drops = Rc::new(Cell::new(0));
        let value = Fragile {
            drops: Rc::clone(&drops),
            drop_panics,
        };
        (
            Guarded::build(|| Ok::<_, ()>(value)).unwrap().unwrap(),
            drops,
        )
    }

    #[test]
    fn a_panicked_peer_is_dropped_once_and_never_touched_again() {
        let (mut peer, drops) = fragile(false);
        assert_eq!(peer.call(|_| 7), Ok(7));
        assert_eq!(
            peer.call(|_| -> u32 { panic!("hostile packet") }),
            Err(Faulted)
        );
        assert_eq!(drops.get(), 1);
        assert_eq!(peer.call(|_| 7), Err(Faulted));
        drop(peer);
        assert_eq!(drops.get(), 1);
    }

    #[test]
    fn a_panic_while_dropping_stays_inside() {
        let (mut peer, drops) = fragile(true);
        assert_eq!(
            peer.call(|_| -> u32 { panic!("hostile packet") }),
            Err(Faulted)
        );
        assert_eq!(drops.get(), 1);
        let (peer, drops) = fragile(true);
        drop(peer);
        assert_eq!(drops.get(), 1);
    }

    #[test]
    fn a_panic_while_building_is_a_fault_not_a_crash() {
        let built = Guarded::<u32>::build(|| -> Result<u32, ()> { panic!("hostile offer") });
        assert_eq!(built.err(), Some(Faulted));
    }
}

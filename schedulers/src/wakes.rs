//! Those who want to hear when a clock is moved.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use matins_core::Wake;

/// What is to be called, as long as its owners keep it.
pub(crate) struct Wakes(Mutex<Vec<Weak<Wake>>>);

impl Wakes {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn add(&self, wake: &Arc<Wake>) {
        let mut wakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wakes.retain(|wake| wake.strong_count() > 0);
        wakes.push(Arc::downgrade(wake));
    }

    /// Calls all that are kept still.
    pub(crate) fn call(&self) {
        let wakes: Vec<Arc<Wake>> = {
            let wakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            wakes.iter().filter_map(Weak::upgrade).collect()
        };
        for wake in wakes {
            wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn what_is_kept_is_called_and_what_was_dropped_is_forgotten() {
        let (wakes, calls) = (Wakes::new(), Arc::new(AtomicU32::new(0)));
        let counting = |by| -> Arc<Wake> {
            let calls = calls.clone();
            Arc::new(move || {
                calls.fetch_add(by, Ordering::Relaxed);
            })
        };
        let (one, ten) = (counting(1), counting(10));
        wakes.add(&one);
        wakes.add(&ten);
        wakes.call();
        drop(ten);
        wakes.call();
        assert_eq!(calls.load(Ordering::Relaxed), 12);
        wakes.add(&counting(100));
        wakes.call();
        assert_eq!(calls.load(Ordering::Relaxed), 13);
        assert_eq!(wakes.0.lock().unwrap().len(), 2, "the one kept, and the last one added");
    }
}

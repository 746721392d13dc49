//! Virtual time for a test with several tasks: whenever all of them wait, the next wait ends at
//! once. It does not depend on the machine's speed.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::sync::lock;

/// The time, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Duration,
    /// Every wait that has begun, by its end and its number.
    waits: BTreeMap<(Duration, u64), Waker>,
    numbers: u64,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Timeline {
    pub(super) fn now(&self) -> Duration {
        lock(&self.state).now
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        let (end, number) = {
            let mut state = lock(&self.state);
            state.numbers += 1;
            (state.now + duration, state.numbers)
        };
        // A wait that is dropped wakes nobody later, so it may stay.
        poll_fn(|context| {
            let mut state = lock(&self.state);
            if state.now >= end {
                return Poll::Ready(());
            }
            state.waits.insert((end, number), context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Runs a future to its end. Panics if it waits for something other than time.
    pub(super) fn run<F: Future>(&self, future: F) -> F::Output {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            while !woken.0.swap(false, Ordering::SeqCst) {
                self.end_next_wait();
            }
        }
    }

    fn end_next_wait(&self) {
        let waker = {
            let mut state = lock(&self.state);
            let ((end, _), waker) = state.waits.pop_first().expect("nobody waits for time");
            state.now = state.now.max(end);
            waker
        };
        waker.wake();
    }
}

//! A value that one side sends and the other awaits, once. No thread and no runtime is needed for it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

struct Place<T> {
    value: Option<T>,
    /// One of the two sides is gone.
    is_over: bool,
    /// The task that awaits the value.
    awaits: Option<Waker>,
    /// The task that awaits that nobody wants the value.
    gives_up: Option<Waker>,
}

/// The side that sends. If it is dropped, the other side learns it.
pub struct Sender<T>(Arc<Mutex<Place<T>>>);

/// The side that awaits. If it is dropped, the other side learns it.
pub struct Receiver<T>(Arc<Mutex<Place<T>>>);

/// There is no value: none was sent yet, or its sender was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoValue;

/// Both sides of a new value.
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let place = Arc::new(Mutex::new(Place {
        value: None,
        is_over: false,
        awaits: None,
        gives_up: None,
    }));
    (Sender(Arc::clone(&place)), Receiver(place))
}

fn lock<T>(place: &Mutex<Place<T>>) -> MutexGuard<'_, Place<T>> {
    // No code panics while it holds the lock.
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One side is gone: wakes the other.
fn leave<T>(place: &Mutex<Place<T>>) {
    let mut place = lock(place);
    place.is_over = true;
    let wakers = [place.awaits.take(), place.gives_up.take()];
    drop(place);
    wakers.into_iter().flatten().for_each(Waker::wake);
}

impl<T> Sender<T> {
    /// Sends the value.
    ///
    /// # Errors
    /// The value: nobody awaits it.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut place = lock(&self.0);
        if place.is_over {
            return Err(value);
        }
        place.value = Some(value);
        Ok(())
    }

    /// Whether nobody awaits the value any more.
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        lock(&self.0).is_over
    }

    /// Resolves when nobody awaits the value any more.
    pub async fn unwanted(&mut self) {
        poll_fn(|context| {
            let mut place = lock(&self.0);
            if place.is_over {
                return Poll::Ready(());
            }
            place.gives_up = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        leave(&self.0);
    }
}

impl<T> Receiver<T> {
    /// The value, if it was sent.
    ///
    /// # Errors
    /// There is none.
    pub fn try_recv(&mut self) -> Result<T, NoValue> {
        lock(&self.0).value.take().ok_or(NoValue)
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, NoValue>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut place = lock(&self.0);
        if let Some(value) = place.value.take() {
            return Poll::Ready(Ok(value));
        }
        if place.is_over {
            return Poll::Ready(Err(NoValue));
        }
        place.awaits = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        leave(&self.0);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn value_sent_or_a_side_dropped_then_the_other_is_woken() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let is_woken = || woken.0.swap(0, Ordering::Relaxed) == 1;

        let (sender, mut receiver) = channel();
        assert!(pin!(&mut receiver).poll(&mut context).is_pending());
        sender.send(7).unwrap();
        assert!(is_woken());
        assert_eq!(pin!(receiver).poll(&mut context), Poll::Ready(Ok(7)));

        let (sender, mut receiver) = channel::<u8>();
        assert!(pin!(&mut receiver).poll(&mut context).is_pending());
        drop(sender);
        assert!(is_woken());
        assert_eq!(pin!(receiver).poll(&mut context), Poll::Ready(Err(NoValue)));

        let (mut sender, receiver) = channel();
        assert!(pin!(sender.unwanted()).poll(&mut context).is_pending());
        drop(receiver);
        assert!(is_woken() && sender.is_unwanted());
        assert_eq!(sender.send(7), Err(7));
    }
}

//! Requests that wait for their answers: each gets one.

use std::cell::RefCell;

use onair_session::Awaited;

use crate::world::violation;

thread_local! {
    static REQUESTS: RefCell<Vec<Request>> = const { RefCell::new(Vec::new()) };
}

/// A request whose answer is awaited.
pub(crate) struct Request {
    what: String,
    is_answered: Box<dyn FnMut() -> Answer>,
}

/// What a requester has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Pending,
    Given,
    /// The reply was dropped.
    Lost,
}

impl Request {
    /// Waits for the answer to `what`; `check` looks at it.
    pub(crate) fn new<T: 'static>(
        what: String,
        mut awaited: Awaited<T>,
        check: impl Fn(&T) + 'static,
    ) -> Self {
        let is_answered = move || match awaited.try_recv() {
            Ok(answer) => {
                if let Ok(value) = &answer {
                    check(value);
                }
                Answer::Given
            }
            Err(error) if error == tokio::sync::oneshot::error::TryRecvError::Empty => {
                Answer::Pending
            }
            Err(_) => Answer::Lost,
        };
        Self {
            what,
            is_answered: Box::new(is_answered),
        }
    }
}

/// Adds a request.
pub(crate) fn add(request: Request) {
    REQUESTS.with(|all| all.borrow_mut().push(request));
}

/// Looks which are answered.
pub(crate) fn look() {
    let mut all = REQUESTS.with(|all| std::mem::take(&mut *all.borrow_mut()));
    all.retain_mut(|request| match (request.is_answered)() {
        Answer::Pending => true,
        Answer::Given => false,
        Answer::Lost => {
            violation(format!("a reply was dropped: {}", request.what));
            false
        }
    });
    REQUESTS.with(|requests| requests.borrow_mut().extend(all));
}

/// The life is over: what is not answered by now never will be.
pub(crate) fn end() {
    look();
    let all = REQUESTS.with(|all| std::mem::take(&mut *all.borrow_mut()));
    for request in all {
        violation(format!("never answered: {}", request.what));
    }
}

/// Forgets all.
pub(crate) fn clear() {
    REQUESTS.with(|all| all.borrow_mut().clear());
}

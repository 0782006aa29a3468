//! Values of one task, as `std::thread_local!` keeps them for a thread.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use crate::TaskId;
use crate::engine::current;

/// The task's values are gone: it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError;

/// A value that each task has for itself.
#[derive(Debug)]
pub struct TaskLocal<T: 'static>(fn() -> T);

#[derive(Default)]
struct Values {
    of_task: Vec<(usize, Rc<dyn Any>)>,
    is_over: bool,
}

thread_local! {
    static VALUES: RefCell<Vec<Values>> = const { RefCell::new(Vec::new()) };
}

impl<T: 'static> TaskLocal<T> {
    /// Made by `init` when a task first uses it.
    #[must_use]
    pub const fn new(init: fn() -> T) -> Self {
        Self(init)
    }

    /// As its namesake.
    ///
    /// # Panics
    /// If the task ends.
    pub fn with<R>(&'static self, using: impl FnOnce(&T) -> R) -> R {
        self.try_with(using).expect("the task has not ended")
    }

    /// As its namesake.
    ///
    /// # Errors
    /// If the task ends.
    pub fn try_with<R>(&'static self, using: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let key = std::ptr::from_ref(self) as usize;
        let task = current().wrapping_add(1);
        let value = VALUES.with(|values| {
            let mut values = values.borrow_mut();
            if values.len() <= task {
                values.resize_with(task + 1, Values::default);
            }
            let its = &mut values[task];
            // A value without a destructor outlives those that have one.
            if its.is_over && std::mem::needs_drop::<T>() {
                return Err(AccessError);
            }
            let known = its.of_task.iter().find(|(of, _)| *of == key);
            let value = match known {
                Some((_, value)) => Rc::clone(value),
                None => {
                    let value: Rc<dyn Any> = Rc::new((self.0)());
                    its.of_task.push((key, Rc::clone(&value)));
                    value
                }
            };
            Ok(value)
        })?;
        Ok(using(value.downcast_ref::<T>().expect("its own type")))
    }
}

/// The task ends by itself: its values are dropped as part of it.
pub(crate) fn end(task: TaskId) {
    drop(take(task));
}

/// The task was killed.
pub(crate) fn abandon(task: TaskId) {
    drop(take(task));
}

fn take(task: TaskId) -> Vec<(usize, Rc<dyn Any>)> {
    VALUES.with(|values| {
        let mut values = values.borrow_mut();
        let Some(its) = values.get_mut(task + 1) else {
            return Vec::new();
        };
        its.is_over = true;
        std::mem::take(&mut its.of_task)
    })
}

/// Forgets all.
pub(crate) fn clear() {
    let all = VALUES.with(|values| std::mem::take(&mut *values.borrow_mut()));
    drop(all);
}

/// As its namesake of std: values of one task.
#[macro_export]
macro_rules! thread_local {
    ($($(#[$meta:meta])* $visibility:vis static $name:ident: $type:ty = const $init:block;)+) => {
        $($(#[$meta])* $visibility static $name: $crate::TaskLocal<$type> = $crate::TaskLocal::new(|| $init);)+
    };
}

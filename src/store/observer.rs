use std::sync::Arc;
use std::time::Duration;

use super::StoreError;
use crate::env::Clock;

/// What is told of every request that is over.
pub trait Observer: Send + Sync + 'static {
    /// Called on the task that made the request; must not wait.
    fn finished(&self, request: &Finished);
}

/// For those who do not count.
pub struct NoObserver;

impl Observer for NoObserver {
    fn finished(&self, _: &Finished) {}
}

/// One request to the store, repetitions each for themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finished {
    /// What was asked for.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes of the body that was sent or received, as far as it came.
    pub bytes: u64,
    /// From the request to its end, for a read to the last byte that its reader took.
    pub duration: Duration,
    /// From the request to its answer; of a read, to its first header.
    pub first_answer: Option<Duration>,
}

macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal),+ $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word for it, as metrics have it.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// The kind of a request. What a bucket's owner pays for differs by it.
    Operation {
        /// A whole object.
        Put => "put",
        /// The start of an object in parts.
        BeginParts => "begin_parts",
        /// One part of it.
        Part => "part",
        /// Its end: the parts become an object.
        CompleteParts => "complete_parts",
        /// Parts are given up.
        AbortParts => "abort_parts",
        /// A whole object, if there is none of that key.
        Create => "create",
        /// An object or a range of it.
        Get => "get",
        /// Whether an object is there, and its size.
        Head => "head",
        /// Objects are removed.
        Delete => "delete",
        /// A page of keys.
        List => "list",
    }
}

words! {
    /// How a request ended.
    Outcome {
        /// As asked.
        Done => "done",
        /// A create: an object of that key is there.
        Exists => "exists",
        /// There is none of that key.
        NotFound => "not_found",
        /// See [`StoreError::Denied`].
        Denied => "denied",
        /// See [`StoreError::Unavailable`].
        Unavailable => "unavailable",
        /// No answer, or no further byte, in time.
        TimedOut => "timed_out",
        /// A body of another length than was promised.
        Corrupt => "corrupt",
        /// Who asked did not wait for the end.
        Abandoned => "abandoned",
    }
}

impl Outcome {
    pub(super) fn of<T>(result: &Result<T, StoreError>) -> Outcome {
        match result {
            Ok(_) => Outcome::Done,
            Err(StoreError::NotFound(_)) => Outcome::NotFound,
            Err(StoreError::Denied(_)) => Outcome::Denied,
            Err(StoreError::Unavailable(_)) => Outcome::Unavailable,
            Err(StoreError::Corrupt { .. }) => Outcome::Corrupt,
            Err(StoreError::Source(_)) => Outcome::Abandoned,
        }
    }
}

/// A request under way. Told to the observer when it is dropped, so that none is forgotten.
pub(super) struct Watch {
    observer: Arc<dyn Observer>,
    clock: Arc<dyn Clock>,
    started: Duration,
    operation: Operation,
    first_answer: Option<Duration>,
    pub(super) outcome: Outcome,
    pub(super) bytes: u64,
}

impl Watch {
    pub(super) fn start(observer: Arc<dyn Observer>, clock: Arc<dyn Clock>, operation: Operation) -> Watch {
        let started = clock.monotonic();
        let (outcome, first_answer) = (Outcome::Abandoned, None);
        Watch { observer, clock, started, operation, first_answer, outcome, bytes: 0 }
    }

    pub(super) fn answered(&mut self) {
        self.first_answer = Some(self.clock.monotonic().saturating_sub(self.started));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.observer.finished(&Finished {
            operation: self.operation,
            outcome: self.outcome,
            bytes: self.bytes,
            duration: self.clock.monotonic().saturating_sub(self.started),
            first_answer: self.first_answer,
        });
    }
}

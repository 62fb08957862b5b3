//! Lets hyper spawn onto the worker's own thread.

use std::future::Future;

/// Spawns onto the current thread's local runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(async move {
            drop(future.await);
        }));
    }
}

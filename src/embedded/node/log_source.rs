//! Which of its logs a node gives out when it is asked for a container's.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures::stream::BoxStream;

use super::{
    super::api::{LogError, LogOptions},
    Shared, log_reader,
    logs::ContainerLog,
    status::State,
};

impl Shared {
    /// The log that is meant, as a stream.
    pub fn log_stream(
        &self,
        namespace: &str,
        pod: &str,
        options: LogOptions,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, LogError> {
        Ok(log_reader::stream(self.log(namespace, pod, &options)?, options))
    }

    fn log(&self, namespace: &str, pod: &str, options: &LogOptions) -> Result<Arc<ContainerLog>, LogError> {
        let key = (namespace.to_owned(), pod.to_owned());
        let resident = self.residents.get(&key).ok_or_else(|| LogError::NoSuchPod(pod.to_owned()))?;
        let view = resident.view.borrow();
        let wanted = options.container.as_deref().or_else(|| view.app.first().map(|container| container.name.as_str()));
        let container = view.init.iter().chain(&view.app).find(|container| Some(container.name.as_str()) == wanted);
        let Some(container) = container else {
            let container = wanted.unwrap_or_default().to_owned();
            return Err(LogError::NoSuchContainer { pod: pod.to_owned(), container });
        };
        let (pod, name) = (pod.to_owned(), container.name.clone());
        let folder = resident.folder.join(&name);
        let current = resident.logs.get(&name).map(|log| Arc::clone(log.value()));
        let run = current.as_ref().map_or(container.restarts, |log| log.run());
        if options.previous {
            let previous = ContainerLog::ended(&folder, run.saturating_sub(1));
            return if run > 0 && previous.exists() {
                Ok(previous)
            } else {
                Err(LogError::NoPrevious { pod, container: name })
            };
        }
        let current = current.unwrap_or_else(|| ContainerLog::ended(&folder, run));
        if current.exists() {
            return Ok(current);
        }
        let reason = match &container.state {
            State::Waiting { reason, message: Some(message) } => format!("{reason}: {message}"),
            State::Waiting { reason, message: None } => reason.clone(),
            State::Running { .. } => "ContainerCreating".to_owned(),
            State::Ended(ended) => ended.message.clone().unwrap_or_else(|| ended.reason.clone()),
        };
        Err(LogError::NotStarted { pod, container: name, reason })
    }
}

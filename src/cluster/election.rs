//! Which manager acts: the one that holds the Lease.
//!
//! Times are taken from this process's own clock alone ([`super::clock`]). A candidate counts from when *it* saw the
//! Lease change last, and a leader from when it *began* to ask for its newest renewal; so the wall clocks of two machines
//! need not agree, and may jump. A leader stops to act when two thirds of its Lease's time are over.

use super::clock;
use super::lease::{self, LeaseApi, Written};
use super::term::Term;
use crate::telemetry::metrics;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A leader acts for this part of its Lease's time; the rest is the margin between it and its successor.
const ACTING: (u32, u32) = (2, 3);
/// A leader renews its Lease so many times in its duration.
const RENEWALS: u32 = 7;
/// How often a candidate looks at the Lease, at most.
const LOOK: Duration = Duration::from_secs(1);

/// Who is elected, and by which Lease.
#[derive(Clone)]
pub struct ElectionConfig {
    /// The cluster.
    pub client: Client,
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// This process: a name that no other process has, nor this one after a restart.
    pub identity: String,
    /// How long a leader may be silent.
    pub duration: Duration,
}

/// Who leads, as this process knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// This process.
    Leading,
    /// Another one: its identity.
    Following(String),
    /// The Lease has not been read yet, or cannot be read.
    Unknown,
}

/// A candidate, and the leader when it is elected.
pub struct Election {
    lease: LeaseApi,
    shown: String,
    namespace: String,
    identity: String,
    duration: Duration,
    term: Term,
    standing: watch::Sender<Standing>,
}

/// Why a leader leads no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Loss {
    #[error("the lease could not be renewed in time")]
    Expired,
    #[error("the lease was taken by {0}")]
    Taken(String),
    #[error("the lease was deleted, or given to nobody")]
    Gone,
}

impl Election {
    /// A candidate that does nothing yet.
    pub fn new(config: ElectionConfig) -> Self {
        let ElectionConfig { client, namespace, name, identity, duration } = config;
        metrics::leads(false);
        Self {
            lease: LeaseApi::new(client, &namespace, &name, &identity, duration),
            shown: format!("{namespace}/{name}"),
            namespace,
            identity,
            duration,
            term: Term::default(),
            standing: watch::Sender::new(Standing::Unknown),
        }
    }

    /// Whether this process may write: what fences are made of.
    pub fn term(&self) -> Term {
        self.term.clone()
    }

    /// The Lease's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Who leads.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Runs `lead` whenever this process leads, until `shutdown`. What it is given is cancelled when it has to stop, and it
    /// is waited for. At the shutdown the Lease is held until `lead` has ended, and then given back.
    pub async fn run<F: Future<Output = ()>>(self, shutdown: CancellationToken, lead: impl Fn(CancellationToken) -> F) {
        while !shutdown.is_cancelled() {
            let held = tokio::select! {
                () = shutdown.cancelled() => return,
                held = self.acquire() => held,
            };
            self.say(Standing::Leading);
            self.lead(held, &shutdown, &lead).await;
            metrics::leads(false);
        }
    }

    /// One term of office.
    async fn lead<F: Future<Output = ()>>(
        &self,
        mut held: Lease,
        shutdown: &CancellationToken,
        lead: &impl Fn(CancellationToken) -> F,
    ) {
        let stop = CancellationToken::new();
        let mut work = pin!(lead(stop.clone()));
        let loss = {
            let hold = async {
                tokio::select! {
                    loss = self.hold(&mut held) => loss,
                    // What is being written then is finished, and for that the Lease is held on.
                    never = async { shutdown.cancelled().await; stop.cancel(); std::future::pending().await } => never,
                }
            };
            tokio::select! {
                biased;
                loss = hold => Some(loss),
                () = &mut work => None,
            }
        };
        match loss {
            None => self.step_down(held).await,
            Some(loss) => {
                self.term.end();
                self.say(Standing::Unknown);
                tracing::warn!(lease = self.shown, why = %loss, "this manager leads no more");
                stop.cancel();
                work.await;
            }
        }
    }

    /// Waits until the Lease is ours.
    async fn acquire(&self) -> Lease {
        let mut seen: Option<(String, Duration)> = None;
        let mut failing = false;
        loop {
            let asked = clock::now();
            match timeout(self.duration, self.attempt(&mut seen)).await.map_err(|_| "no answer in time".to_owned()) {
                Ok(Ok(Attempt::Won(lease))) => {
                    self.extend(asked);
                    return *lease;
                }
                Ok(Ok(Attempt::HeldBy(holder))) => {
                    failing = false;
                    self.say(Standing::Following(holder));
                }
                Ok(Ok(Attempt::Overtaken)) => failing = false,
                Ok(Err(kube::Error::Api(answer))) => self.cannot(&answer.message, &mut failing),
                Ok(Err(error)) => self.cannot(&error.to_string(), &mut failing),
                Err(said) => self.cannot(&said, &mut failing),
            }
            // Not all at the same time, and never later than a second after the Lease became free.
            let pause = LOOK.min(self.duration / 4);
            tokio::time::sleep(pause.mul_f64(0.75 + fastrand::f64() / 4.0)).await;
        }
    }

    /// One look at the Lease, and one try to have it where nobody does.
    async fn attempt(&self, seen: &mut Option<(String, Duration)>) -> kube::Result<Attempt> {
        let found = self.lease.read().await?;
        // How long it has been as it is now, as far as this process saw it. A Lease that was there before and is not any
        // more was deleted by somebody, and whoever held it may not have noticed: that is waited for as well.
        let (version, now) = (found.as_ref().map(lease::version).unwrap_or_default(), clock::now());
        let fresh = found.is_none() && seen.is_none();
        let since = match seen {
            Some((known, since)) if *known == version => *since,
            _ if fresh => now,
            _ => seen.insert((version, now)).1,
        };
        let silent = now.saturating_sub(since);
        let Some(found) = found else {
            return match fresh || silent >= self.duration {
                true => Ok(self.lease.create().await?.into()),
                false => Ok(Attempt::Overtaken),
            };
        };
        let others = lease::holder(&found).filter(|_| !self.lease.is_ours(&found));
        match others.filter(|_| silent < lease::duration(&found, self.duration)) {
            Some(holder) => Ok(Attempt::HeldBy(holder.to_owned())),
            None => Ok(self.lease.take(&found).await?.into()),
        }
    }

    /// Renews the Lease until it is lost.
    async fn hold(&self, held: &mut Lease) -> Loss {
        let mut failing = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.duration / RENEWALS) => {}
                () = self.term.over() => {}
            }
            // First of all: a process that was stopped may wake up long after its time.
            if !self.term.is_held() {
                return Loss::Expired;
            }
            let asked = clock::now();
            let answer = tokio::select! {
                answer = self.lease.renew(held) => answer,
                () = self.term.over() => return Loss::Expired,
                // An answer that does not come may come at the next try, on another connection.
                () = tokio::time::sleep(self.duration / 4) => {
                    self.cannot("no answer in time", &mut failing);
                    continue;
                }
            };
            match answer {
                Ok(Written::Ours(lease)) => {
                    failing = false;
                    *held = *lease;
                    self.extend(asked);
                }
                Ok(Written::Overtaken) => match self.look_again(held).await {
                    Some(loss) => return loss,
                    None => continue,
                },
                Err(error) => self.cannot(&error.to_string(), &mut failing),
            }
        }
    }

    /// Somebody wrote the Lease: it may be a label, or our own renewal whose answer was lost.
    async fn look_again(&self, held: &mut Lease) -> Option<Loss> {
        let found = tokio::select! {
            found = self.lease.read() => found,
            () = self.term.over() => return Some(Loss::Expired),
        };
        match found {
            Ok(Some(found)) if self.lease.is_ours(&found) => *held = found,
            Ok(Some(found)) => {
                return Some(lease::holder(&found).map_or(Loss::Gone, |holder| Loss::Taken(holder.to_owned())));
            }
            Ok(None) => return Some(Loss::Gone),
            // Tried again with the next renewal.
            Err(_) => {}
        }
        None
    }

    /// Gives the Lease back.
    async fn step_down(&self, mut held: Lease) {
        self.term.end();
        self.say(Standing::Unknown);
        let give_back = async {
            loop {
                if let Written::Ours(_) = self.lease.release(&held).await? {
                    return Ok(true);
                }
                // The answer to our newest renewal may not have been read.
                match self.lease.read().await? {
                    Some(found) if self.lease.is_ours(&found) => held = found,
                    Some(_) | None => return Ok(false),
                }
            }
        };
        let lease = &self.shown;
        match timeout(self.duration / 4, give_back).await {
            Ok(Ok(true)) => tracing::info!(lease, "the lease is given back"),
            Ok(Ok(false)) => {}
            Ok(Err::<_, kube::Error>(error)) => {
                tracing::warn!(lease, %error, "the lease could not be given back; it runs out");
            }
            Err(_) => tracing::warn!(lease, "the lease could not be given back in time; it runs out"),
        }
    }

    /// A renewal that was asked for at `asked` was granted.
    fn extend(&self, asked: Duration) {
        let (parts, whole) = ACTING;
        self.term.extend(asked + self.duration * parts / whole);
    }

    fn cannot(&self, said: &str, failing: &mut bool) {
        if !std::mem::replace(failing, true) {
            tracing::warn!(lease = self.shown, error = said, "the lease cannot be read or written; it is tried again");
        }
        if !self.term.is_held() {
            self.say(Standing::Unknown);
        }
    }

    /// Tells it once per change.
    fn say(&self, standing: Standing) {
        let before = self.standing.send_replace(standing.clone());
        if before == standing {
            return;
        }
        metrics::leads(standing == Standing::Leading);
        let (lease, identity) = (&self.shown, &self.identity);
        match standing {
            Standing::Leading => tracing::info!(lease, identity, "this manager leads"),
            Standing::Following(leader) => tracing::info!(lease, identity, leader, "another manager leads"),
            Standing::Unknown => {}
        }
    }
}

/// What one try came to.
enum Attempt {
    Won(Box<Lease>),
    HeldBy(String),
    Overtaken,
}

impl From<Written> for Attempt {
    fn from(written: Written) -> Self {
        match written {
            Written::Ours(lease) => Self::Won(lease),
            Written::Overtaken => Self::Overtaken,
        }
    }
}

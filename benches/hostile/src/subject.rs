//! What is attacked: a framework with a server of the same small service, an honest client, and the bytes of its
//! protocol.

use std::{error::Error, future::Future, pin::Pin};

use crate::{
    attack::{Case, Plan},
    subjects,
};

/// Why something could not be done.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Something that is done in the meantime.
pub type Job<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// A framework.
pub struct Subject {
    /// What it is called in the table.
    pub name: &'static str,
    /// Serves until the process ends, and says at which `host:port`.
    pub serve: fn(announce: fn(&str)) -> Job<'static, ()>,
    /// An honest client with a connection of its own.
    pub connect: fn(address: String) -> Job<'static, Box<dyn Honest>>,
    /// Whether this failure is a refusal that says why.
    pub is_refusal: fn(&str) -> bool,
    /// What hostile peers do, where the protocol has such a case.
    pub plan: fn(Case) -> Option<Plan>,
}

/// A client as users have it.
pub trait Honest: Send {
    /// Adds two numbers at the server.
    fn sum(&mut self, a: i64, b: i64) -> Job<'_, i64>;
}

/// Those that are built in.
pub const SUBJECTS: &[Subject] = &[
    #[cfg(feature = "ours")]
    subjects::ours::SUBJECT,
    #[cfg(feature = "tarpc")]
    subjects::tarpc::SUBJECT,
    #[cfg(feature = "tonic")]
    subjects::tonic::SUBJECT,
];

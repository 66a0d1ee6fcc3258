//! What the server and the client of the arith example share: the service, and the types that its methods name.
#![deny(missing_docs)]

use std::fmt;

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// Arithmetic with whole numbers, and a little beyond.
#[rpc_service]
pub trait Arith {
    /// Adds the two numbers.
    async fn add(&self, pair: Pair) -> Result<i64, ArithError>;

    /// Divides the first number by the second.
    async fn divide(&self, pair: Pair) -> Result<Quotient, ArithError>;

    /// Multiplies each of the values.
    async fn scale(&self, by: f64, values: &[f64]) -> Vec<f64>;

    /// Answers after so many milliseconds, at most a minute, with how long it took.
    async fn wait(&self, ms: u64) -> u64;
}

/// Two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The first.
    pub a: i64,
    /// The second.
    pub b: i64,
}

/// What a division gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotient {
    /// Rounded towards zero.
    pub quotient: i64,
    /// What is left, with the sign of the first number.
    pub remainder: i64,
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArithError {
    /// Nothing can be divided by zero.
    DivisionByZero,
    /// The result does not fit into 64 bits.
    Overflow,
}

impl fmt::Display for ArithError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DivisionByZero => "division by zero",
            Self::Overflow => "the result does not fit into 64 bits",
        })
    }
}

impl std::error::Error for ArithError {}

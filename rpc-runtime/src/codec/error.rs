//! Why a value could not be written or read: a text that is short and safe to log, whatever the peer sent.

use std::{error::Error, fmt};

use serde::{de, ser};

/// The longest text kept of an error, in bytes: a codec may quote the peer's bytes in it.
const LONGEST: usize = 300;

/// A value that its codec can not express, or whose `Serialize` failed.
#[derive(Debug)]
pub struct EncodeError(Box<str>);

impl EncodeError {
    #[cold]
    pub(super) fn new(cause: impl fmt::Display) -> Self {
        Self(brief(cause))
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for EncodeError {}

impl ser::Error for EncodeError {
    #[cold]
    fn custom<T: fmt::Display>(cause: T) -> Self {
        Self::new(cause)
    }
}

/// A body that is not a value of the expected type, or that exceeds a bound of the guard.
#[derive(Debug)]
pub struct DecodeError(Box<str>);

impl DecodeError {
    #[cold]
    pub(super) fn new(cause: impl fmt::Display) -> Self {
        Self(brief(cause))
    }

    #[cold]
    pub(super) fn left_over(bytes: usize) -> Self {
        Self::new(format_args!("{bytes} bytes are left over after the value"))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for DecodeError {}

impl de::Error for DecodeError {
    #[cold]
    fn custom<T: fmt::Display>(cause: T) -> Self {
        Self::new(cause)
    }
}

/// The text of `cause`, cut to [`LONGEST`], control characters escaped.
fn brief(cause: impl fmt::Display) -> Box<str> {
    let mut text = Brief(String::new());
    // The only error is that of `Brief`, once there is enough.
    let _ = fmt::write(&mut text, format_args!("{cause}"));
    text.0.into_boxed_str()
}

struct Brief(String);

impl fmt::Write for Brief {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() >= LONGEST {
                self.0.push('…');
                return Err(fmt::Error);
            }
            if character.is_control() {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

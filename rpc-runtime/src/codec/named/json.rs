//! A JSON object of arguments.

use serde::{Deserialize, de::IgnoredAny};

use super::Named;
use crate::{codec::DecodeError, descriptor::ArgumentDescriptor};

/// Whether the body is an object, if it is a value at all.
#[inline]
pub(in crate::codec) fn is_object(body: &[u8]) -> bool {
    body.iter().find(|byte| !is_space(**byte)) == Some(&b'{')
}

/// The array of the arguments that the object holds.
pub(in crate::codec) fn in_order(body: &[u8], arguments: &[ArgumentDescriptor]) -> Result<Vec<u8>, DecodeError> {
    let mut scanner = Scanner { rest: body };
    let mut named = Named::new(arguments);
    scanner.symbol(b'{')?;
    if !scanner.is_at(b'}') {
        loop {
            let (key, _) = scanner.value::<String>()?;
            scanner.symbol(b':')?;
            let (IgnoredAny, written) = scanner.value()?;
            named.set(&key, written)?;
            if scanner.is_at(b'}') {
                break;
            }
            scanner.symbol(b',')?;
        }
    }
    scanner.symbol(b'}')?;
    scanner.end()?;
    let mut array = Vec::with_capacity(body.len());
    for written in named.in_order()? {
        array.push(if array.is_empty() { b'[' } else { b',' });
        array.extend_from_slice(written);
    }
    array.push(b']');
    Ok(array)
}

/// What is left of the body.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// Passes over white space; whether this comes behind it.
    fn is_at(&mut self, symbol: u8) -> bool {
        let spaces = self.rest.iter().take_while(|byte| is_space(**byte)).count();
        self.rest = &self.rest[spaces..];
        self.rest.first() == Some(&symbol)
    }

    fn symbol(&mut self, symbol: u8) -> Result<(), DecodeError> {
        if !self.is_at(symbol) {
            let symbol = char::from(symbol);
            return Err(DecodeError::new(format_args!("expected {symbol:?} in the object of arguments")));
        }
        self.rest = &self.rest[1..];
        Ok(())
    }

    /// A value, and its bytes.
    fn value<T: Deserialize<'a>>(&mut self) -> Result<(T, &'a [u8]), DecodeError> {
        let mut values = serde_json::Deserializer::from_slice(self.rest).into_iter();
        let value = match values.next() {
            Some(value) => value.map_err(DecodeError::new)?,
            None => return Err(DecodeError::new("the object of arguments has no end")),
        };
        let (written, rest) = self.rest.split_at(values.byte_offset());
        self.rest = rest;
        Ok((value, written))
    }

    fn end(mut self) -> Result<(), DecodeError> {
        // No symbol is a zero: this passes over white space only.
        self.is_at(0);
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(DecodeError::left_over(self.rest.len()))
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

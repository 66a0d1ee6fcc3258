//! Arguments by name, in the codecs that know names: a map with the arguments' names as keys, made into their array.
//!
//! The values are only looked for here, without recursion into types: they are decoded from the array, by the guard.

pub(super) mod json;

use super::DecodeError;
use crate::descriptor::ArgumentDescriptor;

/// The bytes of each argument, as far as they are found.
pub(super) struct Named<'a> {
    arguments: &'a [ArgumentDescriptor],
    values: Vec<Option<&'a [u8]>>,
}

impl<'a> Named<'a> {
    pub(super) fn new(arguments: &'a [ArgumentDescriptor]) -> Self {
        Self { arguments, values: vec![None; arguments.len()] }
    }

    pub(super) fn set(&mut self, key: &str, written: &'a [u8]) -> Result<(), DecodeError> {
        let Some(index) = self.arguments.iter().position(|argument| argument.name == key) else {
            return Err(DecodeError::new(format_args!("there is no argument {key:?}")));
        };
        match self.values[index].replace(written) {
            None => Ok(()),
            Some(_) => Err(DecodeError::new(format_args!("the argument {key:?} is given twice"))),
        }
    }

    /// What each argument is written as, in their order.
    pub(super) fn in_order(self) -> Result<Vec<&'a [u8]>, DecodeError> {
        let missing = |argument: &ArgumentDescriptor| {
            DecodeError::new(format_args!("the argument {:?} is missing", argument.name))
        };
        self.arguments.iter().zip(self.values).map(|(argument, value)| value.ok_or_else(|| missing(argument))).collect()
    }
}

//! What a request or a response carries.

use std::fmt;

/// One encoded message, as the codec of the channel writes it.
///
/// ```
/// # use rpc_runtime::middleware::Body;
/// // A layer at each end, one of which does what the other undoes.
/// let scramble = |body: Body| Body::from(body.into_bytes().into_iter().map(|byte| byte ^ 0x55).collect::<Vec<_>>());
/// assert_eq!(scramble(scramble(Body::from(vec![1, 2]))).bytes(), [1, 2]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body(Vec<u8>);

impl Body {
    /// The message.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The message, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

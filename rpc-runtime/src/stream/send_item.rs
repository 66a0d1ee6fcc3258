//! What may be an item of a stream that is sent.

use crate::{
    call::Reply,
    codec::{CodecKind, Encode},
    status::{Code, Status},
};

/// An item of a stream of `T` that a caller sends: a `T`, or a `Result<T, Status>` of which the first `Err` ends the
/// stream and is what the handler sees of it. So what a handler gets as a [`Streaming`](super::Streaming) can be passed
/// on to another call as it is. Where nothing else says which of them it is, the type is to be written: such as
/// `stream::pending::<i64>()`, or `channel::<i64>(8)` of which nothing is sent.
#[diagnostic::on_unimplemented(
    message = "a stream of `{Self}` was given where the method takes a stream of `{T}`",
    label = "its items are `{Self}`, wanted are `{T}` or `Result<{T}, Status>`"
)]
///
/// ```
/// # use rpc_runtime::{prelude::*, stream};
/// #[rpc_service]
/// trait Sums {
///     async fn total(&self, values: Streaming<u64>) -> Result<u64, Status>;
/// }
/// # struct Here;
/// # impl Sums for Here {
/// #     async fn total(&self, mut values: Streaming<u64>) -> Result<u64, Status> {
/// #         let mut total = 0;
/// #         while let Some(value) = values.next().await {
/// #             total += value?;
/// #         }
/// #         Ok(total)
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// # let sums = SumsClient::from_service(Here);
/// let (sender, values) = stream::channel::<Result<u64, Status>>(2);
/// let call = sums.total(values).start();
/// for item in [Ok(1), Err(Status::unavailable("the sensor is gone"))] {
///     sender.send(item).await.expect("it is taken");
/// }
/// // The handler gets the `Err`, and hands it up.
/// assert_eq!(call.await.unwrap_err().message(), "the sensor is gone");
/// # Ok(())
/// # }
/// ```
pub trait SendItem<T>: Send {
    /// The item, or why there are no more.
    fn into_item(self) -> Result<T, Status>;
}

impl<T: Send> SendItem<T> for T {
    fn into_item(self) -> Result<T, Status> {
        Ok(self)
    }
}

impl<T: Send> SendItem<T> for Result<T, Status> {
    fn into_item(self) -> Result<T, Status> {
        self
    }
}

/// Encodes an item that a caller sends.
#[inline]
pub(super) fn put<T, I: SendItem<T>>(
    encode: Encode<T>,
    codec: CodecKind,
    item: I,
    out: &mut Vec<u8>,
) -> Result<(), Reply> {
    let item = item.into_item().map_err(Reply::Status)?;
    encode(codec, &item, out).map_err(|error| {
        let text = format!("an item can not be encoded as {}: {error}", codec.name());
        Reply::Unsendable(Status::of_call(Code::InvalidArgument, text))
    })
}

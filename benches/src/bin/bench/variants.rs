//! This project's runtime with what users add to the defaults: a layer that does nothing, spans, another codec.

use rpc_runtime::middleware::{self, Next, Request, Response, from_fn};
use rpc_runtime::prelude::*;

use crate::ours::{drive, serve};
use bench::subject::{Job, Subject};
use bench::window::Tally;

/// One layer at each side that only passes calls on.
pub const LAYER: Subject = Subject {
    name: "ours-layer",
    serve: |announce| Box::pin(serve(Server::builder().layer(from_fn(pass)), announce)),
    drive: |address, window| -> Job<Vec<Tally>> {
        Box::pin(drive(Channel::builder().layer(from_fn(pass)), address, window))
    },
};

/// A span at each side, and nobody who listens.
pub const TRACING: Subject = Subject {
    name: "ours-tracing",
    serve: |announce| Box::pin(serve(Server::builder().layer(middleware::tracing()), announce)),
    drive: |address, window| -> Job<Vec<Tally>> {
        Box::pin(drive(Channel::builder().layer(middleware::tracing()), address, window))
    },
};

/// A span at each side, kept by a subscriber for as long as its call takes. To be measured without [`TRACING`]: a
/// subscriber listens to the whole process, and for ever.
pub const TRACING_KEPT: Subject = Subject {
    name: "ours-tracing-kept",
    serve: |announce| {
        keep_spans();
        Box::pin(serve(Server::builder().layer(middleware::tracing()), announce))
    },
    drive: |address, window| -> Job<Vec<Tally>> {
        keep_spans();
        Box::pin(drive(Channel::builder().layer(middleware::tracing()), address, window))
    },
};

/// The codec that every language has.
pub const JSON: Subject = Subject {
    name: "ours-json",
    serve: |announce| Box::pin(serve(Server::builder(), announce)),
    drive: |address, window| -> Job<Vec<Tally>> {
        Box::pin(drive(Channel::builder().codec(CodecKind::Json), address, window))
    },
};

/// The one with names and bytes.
pub const MESSAGE_PACK: Subject = Subject {
    name: "ours-messagepack",
    serve: |announce| Box::pin(serve(Server::builder(), announce)),
    drive: |address, window| -> Job<Vec<Tally>> {
        Box::pin(drive(Channel::builder().codec(CodecKind::MessagePack), address, window))
    },
};

/// The smallest.
pub const POSTCARD: Subject = Subject {
    name: "ours-postcard",
    serve: |announce| Box::pin(serve(Server::builder(), announce)),
    drive: |address, window| -> Job<Vec<Tally>> {
        Box::pin(drive(Channel::builder().codec(CodecKind::Postcard), address, window))
    },
};

async fn pass(call: Request, next: Next) -> Result<Response, Status> {
    next.run(call).await
}

fn keep_spans() {
    // In later rounds it is there already.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
}

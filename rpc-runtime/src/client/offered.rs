//! The services that a channel offers to its other end, until it is made.

use std::{fmt, sync::Arc};

use crate::{
    router::{Router, Service},
    status::Status,
};

/// Services in the order they were added.
#[derive(Clone, Default)]
pub(super) struct Offered(Vec<Arc<dyn Service>>);

impl Offered {
    pub(super) fn add(&mut self, service: impl Service) {
        self.0.push(Arc::new(service));
    }

    /// What the other end can call. Two services under one name, or a name that can not be used, are an error.
    pub(super) fn router(&self) -> Result<Router, Status> {
        let mut router = Router::default();
        self.0.iter().try_for_each(|service| router.register(&**service)).map_err(Status::not_executed)?;
        Ok(router)
    }
}

impl fmt::Debug for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|service| service.name())).finish()
    }
}

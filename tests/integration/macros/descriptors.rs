//! The constant data about a service.

use rpc_runtime::{
    descriptor::{Execution, MethodKind, ServiceDescriptor},
    rpc_service,
};

/// Counts things.
///
/// In two paragraphs.
#[rpc_service(name = "counter")]
trait Count {
    /// Adds one.
    #[doc = concat!("And ", "more.")]
    #[deprecated]
    async fn add(&self, by: &[(u64, Option<String>)]) -> Result<u64, super::Wide<String>>;
    #[rpc(inline)]
    async fn get(&self);
    #[rpc(task, name = "Set")]
    async fn set(&self, mut r#in: std::collections::BTreeMap<u8, [u8; 4]>, to: Option<&str>) -> (u8,) {
        r#in.clear();
        (u8::from(to.is_some()),)
    }
}

const SERVICE: &ServiceDescriptor = CountClient::DESCRIPTOR;

#[test]
fn a_descriptor_is_a_constant_of_the_client_and_of_the_server() {
    assert!(std::ptr::eq(SERVICE.methods[0], CountServer::DESCRIPTOR.methods[0]));
}

#[test]
fn a_service_is_described_in_the_order_of_the_trait() {
    assert_eq!((SERVICE.name, SERVICE.docs), ("counter", "Counts things.\n\nIn two paragraphs."));
    let names: Vec<_> = SERVICE.methods.iter().map(|method| (method.rust_name, method.full_name)).collect();
    assert_eq!(names, [("add", "counter.add"), ("get", "counter.get"), ("set", "counter.Set")]);
}

#[test]
fn a_method_is_described_with_its_types_as_written() {
    let [add, get, set] = SERVICE.methods else { panic!("three methods") };
    let arguments = |of: &rpc_runtime::descriptor::MethodDescriptor| -> Vec<(&str, &str)> {
        of.arguments.iter().map(|argument| (argument.name, argument.type_name)).collect()
    };
    assert_eq!(add.output, "Result<u64, super::Wide<String>>");
    assert_eq!(add.docs, "Adds one.\nAnd more.\n");
    assert_eq!((get.output, get.docs, arguments(get)), ("", "", Vec::new()));
    assert_eq!(set.output, "(u8,)");
    assert_eq!(arguments(set), [("in", "std::collections::BTreeMap<u8, [u8; 4]>"), ("to", "Option<&str>")]);
}

#[test]
fn a_method_is_described_with_its_kind_and_its_options() {
    let of = |index: usize| {
        let method = SERVICE.methods[index];
        (method.kind, method.execution, method.deprecated)
    };
    assert_eq!(of(0), (MethodKind::Unary, Execution::Auto, true));
    assert_eq!(of(1), (MethodKind::Unary, Execution::Inline, false));
    assert_eq!(of(2), (MethodKind::Unary, Execution::Task, false));
}

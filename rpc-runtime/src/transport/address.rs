//! Where a peer is, as a URI: `tcp://127.0.0.1:7000`, `unix:///run/arith.sock`, `mem://arith`.
//!
//! Only the form is checked here: whether a host exists is found out by connecting.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where to connect or listen. `Display` gives the URI back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    /// Host and port, such as `localhost:7000` or `[::1]:7000`; port 0 lets the system choose when listening.
    Tcp(String),
    /// The path of a socket file, from the working directory when it is relative.
    Unix(PathBuf),
    /// A name within this process.
    Memory(String),
}

impl Address {
    /// Reads a URI. The error names it.
    pub(crate) fn parse(uri: &str) -> Result<Self, AddressError> {
        let fault = |cause| AddressError { uri: uri.to_owned(), cause };
        let (scheme, rest) = uri.split_once("://").ok_or_else(|| fault(Cause::NoScheme))?;
        match scheme.to_ascii_lowercase().as_str() {
            "tcp" => check_host_and_port(rest).map(|()| Self::Tcp(rest.to_owned())).map_err(fault),
            "unix" if rest.is_empty() => Err(fault(Cause::NoPath)),
            "unix" => Ok(Self::Unix(PathBuf::from(rest))),
            "mem" if rest.is_empty() => Err(fault(Cause::NoName)),
            "mem" => Ok(Self::Memory(rest.to_owned())),
            _ => Err(fault(Cause::UnknownScheme)),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        Self::parse(uri)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host_and_port) => write!(f, "tcp://{host_and_port}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Memory(name) => write!(f, "mem://{name}"),
        }
    }
}

/// What is wrong with the URI of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressError {
    uri: String,
    cause: Cause,
}

impl Error for AddressError {}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid address {:?}: ", self.uri)?;
        match &self.cause {
            Cause::NoScheme => write!(f, "no scheme, expected one of {SCHEMES}"),
            Cause::UnknownScheme => write!(f, "unknown scheme, expected one of {SCHEMES}"),
            Cause::NoHost => f.write_str("no host (to listen on all interfaces, use 0.0.0.0 or [::])"),
            Cause::NoPort => f.write_str("no port, expected host:port"),
            Cause::BadPort(port) => write!(f, "port {port:?} is not a number from 0 to 65535"),
            Cause::BareIpv6 => f.write_str("an IPv6 address stands in brackets, such as [::1]:7000"),
            Cause::NoPath => f.write_str("no path, expected unix:///absolute or unix://relative"),
            Cause::NoName => f.write_str("no name, expected mem://name"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    NoScheme,
    UnknownScheme,
    NoHost,
    NoPort,
    BadPort(String),
    BareIpv6,
    NoPath,
    NoName,
}

const SCHEMES: &str = "tcp://, unix://, mem://";

fn check_host_and_port(text: &str) -> Result<(), Cause> {
    let (host, port) = match text.rsplit_once(':') {
        // The last colon of "[::1]" is the address's own.
        Some((_, port)) if port.ends_with(']') => return Err(Cause::NoPort),
        Some((host, port)) => (host, port),
        None if text.is_empty() => return Err(Cause::NoHost),
        None => return Err(Cause::NoPort),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || host == "[]" {
        Err(Cause::NoHost)
    } else if host.contains(':') && !bracketed {
        Err(Cause::BareIpv6)
    } else if port.is_empty() {
        Err(Cause::NoPort)
    } else if !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err() {
        Err(Cause::BadPort(port.to_owned()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_addresses_are_read_and_given_back() {
        let table = [
            ("tcp://127.0.0.1:7000", Address::Tcp("127.0.0.1:7000".into())),
            ("tcp://[::1]:7000", Address::Tcp("[::1]:7000".into())),
            ("tcp://localhost:0", Address::Tcp("localhost:0".into())),
            ("unix:///run/arith.sock", Address::Unix("/run/arith.sock".into())),
            ("unix://arith.sock", Address::Unix("arith.sock".into())),
            ("mem://arith", Address::Memory("arith".into())),
        ];
        for (uri, address) in table {
            assert_eq!(Address::parse(uri).as_ref(), Ok(&address));
            assert_eq!(address.to_string(), uri);
        }
        assert_eq!("TCP://localhost:1".parse(), Ok(Address::Tcp("localhost:1".into())));
    }

    #[test]
    fn malformed_addresses_are_refused_with_the_reason() {
        let table = [
            ("localhost:7000", "no scheme, expected one of tcp://, unix://, mem://"),
            ("", "no scheme, expected one of tcp://, unix://, mem://"),
            ("http://localhost:7000", "unknown scheme, expected one of tcp://, unix://, mem://"),
            ("://localhost:7000", "unknown scheme, expected one of tcp://, unix://, mem://"),
            ("tcp://", "no host (to listen on all interfaces, use 0.0.0.0 or [::])"),
            ("tcp://:7000", "no host (to listen on all interfaces, use 0.0.0.0 or [::])"),
            ("tcp://[]:7000", "no host (to listen on all interfaces, use 0.0.0.0 or [::])"),
            ("tcp://localhost", "no port, expected host:port"),
            ("tcp://localhost:", "no port, expected host:port"),
            ("tcp://[::1]", "no port, expected host:port"),
            ("tcp://::1:7000", "an IPv6 address stands in brackets, such as [::1]:7000"),
            ("tcp://localhost:65536", "port \"65536\" is not a number from 0 to 65535"),
            ("tcp://localhost:+1", "port \"+1\" is not a number from 0 to 65535"),
            ("tcp://localhost:80/path", "port \"80/path\" is not a number from 0 to 65535"),
            ("unix://", "no path, expected unix:///absolute or unix://relative"),
            ("mem://", "no name, expected mem://name"),
        ];
        for (uri, reason) in table {
            let error = Address::parse(uri).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid address {uri:?}: {reason}"));
        }
    }
}

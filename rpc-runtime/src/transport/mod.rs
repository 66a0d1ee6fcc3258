//! Byte pipes by address: tcp, unix, memory, and any pipe that is handed over.

//! Each kind of credential against listeners of its own.

//! The one integration test binary: each file beside this one is a module of it.

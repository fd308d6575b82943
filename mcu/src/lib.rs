//! Plenum: the conferencing server. Media workers, conferences, signalling and API behind one binary.

pub mod media;

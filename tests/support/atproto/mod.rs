//! The AT Protocol's network on this machine: a stream that is served as told, and a directory with the hosts of
//! repositories. Shared by the tests of the sources and those of the whole program.

mod accounts;
mod directory;
mod labeler;
mod recorded;
mod stream;

pub use accounts::{Account, did, dids, like, post};
pub use directory::{Directory, Reply};
pub use labeler::{Labeler, Says};
pub use recorded::Recorded;
pub use stream::{Manner, Said, Stream};

//! Methods that the AT Protocol's clients speak already, served so that they work against this server as they are.
//!
//! Unlike under `/v1` a parameter that is not known is passed over, as XRPC has it; errors are `{error, message}`.

pub mod links;
pub mod search_posts;

use crate::routes::Routes;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    links::routes(routes);
    search_posts::routes(routes);
}

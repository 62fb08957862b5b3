//! What is presented to a manager.

use super::sessions::Sessions;
use crate::api::Token;

/// What is presented.
pub(super) enum Credential {
    /// This token, which was given.
    Token(Token),
    /// The token of the data folder.
    DataFolder(Token),
    /// The token of a login with this manager, which is renewed before it ends.
    Login(Sessions),
    /// None: what is asked is open, or a client certificate is enough.
    Nothing,
}

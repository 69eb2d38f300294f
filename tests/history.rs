//! The history on disk: what a restart keeps, what people can look up, and what a failing disk does to the chat.

mod accounts;
mod administrators;
pub mod faults;
mod kill;
mod looking_back;
pub mod restart;

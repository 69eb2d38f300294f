//! The room through real sockets: joining, talking, leaving.

mod coming;
mod input;
mod leaving;
mod order;
mod talking;

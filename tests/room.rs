//! The room through real sockets: who comes in, what is said, who leaves.

mod coming;
mod input;
mod leaving;
mod order;
mod talking;

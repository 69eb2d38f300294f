//! IRC: transcripts without a socket, properties of the grammar, and clients of a real daemon.

mod clients;
mod desk;
mod forms;
mod grammar;
mod registration;
mod room;
mod screens;
mod sockets;
mod whereabouts;

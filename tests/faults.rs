//! What breaks around the daemon: descriptors run out, the process is suspended or killed, nobody takes its log. The room
//! goes on or comes back, nobody is punished for it, and what is lost is said. A disk that
//! fails is in `history::faults`, too, a journal in `journal`.

mod descriptors;
mod disk;
mod gone;
mod killed;
mod memory;
mod stderr;
mod suspended;

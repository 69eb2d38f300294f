//! The socket that holds everything: a file in memory and any number of descriptors, as messages (unix(7), `SCM_RIGHTS`).
//!
//! systemd can keep descriptors for a service, but each of them costs it more than the one before. One socket that holds
//! thousands costs it no more than one.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::retry_on_intr;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};

/// Descriptors in one message; the kernel takes 253 (`SCM_MAX_FD`).
const PER_MESSAGE: usize = 250;
/// Bytes that the socket may hold, as far as the system allows; a message takes about one kilobyte of it.
const SOCKET_BUFFER: usize = 4 << 20;
/// The largest state that is read, in bytes.
const MAX_STATE: u64 = 1 << 30;

/// A socket that holds a state and descriptors. Dropping it closes all of them.
#[derive(Debug)]
pub struct Parcel {
    socket: OwnedFd,
    /// The other end, of one that was packed here.
    sender: Option<OwnedFd>,
}

impl Parcel {
    /// The socket, for whoever is to keep it.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Lets go of the socket; returns whether somebody else has it.
    ///
    /// # Errors
    /// The kernel refuses to tell.
    pub fn is_kept(self) -> io::Result<bool> {
        let Parcel { socket, sender } = self;
        drop(socket);
        let Some(sender) = sender else { return Ok(false) };
        let mut polled = [PollFd::new(&sender, PollFlags::empty())];
        retry_on_intr(|| poll(&mut polled, Some(&Timespec::default())))?;
        Ok(polled.iter().all(|sender| sender.revents().is_empty()))
    }
}

/// What was in a socket.
pub struct Opened {
    /// The state.
    pub state: Vec<u8>,
    /// The descriptors in their order; `None`: it was lost.
    pub descriptors: Vec<Option<OwnedFd>>,
}

impl From<OwnedFd> for Parcel {
    /// A socket that another process has packed.
    fn from(socket: OwnedFd) -> Parcel {
        Parcel { socket, sender: None }
    }
}

impl From<Parcel> for OwnedFd {
    fn from(parcel: Parcel) -> OwnedFd {
        parcel.socket
    }
}

impl Parcel {
    /// Puts a state and descriptors into a new socket.
    ///
    /// # Errors
    /// The system refuses the file in memory, or to pass so many descriptors.
    pub fn pack(state: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<Parcel> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (parcel, sender) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        // The system caps it; what does not fit is an error below.
        let _ = sockopt::set_socket_send_buffer_size(&sender, SOCKET_BUFFER);
        let state = sealed_file(state)?;
        send(&sender, 0, &[state.as_fd()])?;
        for (number, some) in descriptors.chunks(PER_MESSAGE).enumerate() {
            send(&sender, number * PER_MESSAGE, some)?;
        }
        Ok(Parcel { socket: parcel, sender: Some(sender) })
    }

    /// Takes everything out.
    ///
    /// # Errors
    /// There is no state in it, or the kernel refuses.
    pub fn open(self) -> io::Result<Opened> {
        let Parcel { socket, sender } = self;
        // The end of the sender is the end of the messages.
        drop(sender);
        let (_, state) = receive(&socket)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let state = read_file(state.into_iter().next().ok_or(io::ErrorKind::InvalidData)?)?;
        let mut descriptors: Vec<Option<OwnedFd>> = Vec::new();
        while let Some((first, some)) = receive(&socket)? {
            // Where one message was lost, the others keep their places.
            if first < descriptors.len() || first > descriptors.len() + u16::MAX as usize {
                return Err(io::ErrorKind::InvalidData.into());
            }
            descriptors.resize_with(first, || None);
            descriptors.extend(some.into_iter().map(Some));
        }
        Ok(Opened { state, descriptors })
    }
}

/// Sends some descriptors, with the number of the first.
fn send(socket: &OwnedFd, first: usize, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PER_MESSAGE))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    let first = (first as u64).to_le_bytes();
    sendmsg(socket, &[IoSlice::new(&first)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one message; `None`: that was all.
fn receive(socket: &OwnedFd) -> io::Result<Option<(usize, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PER_MESSAGE))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut first = [0; 8];
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut first)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let first = usize::try_from(u64::from_le_bytes(first)).map_err(io::Error::other)?;
    Ok(Some((first, descriptors.flatten().collect())))
}

/// A file in memory that nobody can change any more (memfd_create(2)).
fn sealed_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = memfd_create("chatd-handover", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(file);
    file.write_all(bytes)?;
    file.rewind()?;
    let file = OwnedFd::from(file);
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(file)
}

fn read_file(file: OwnedFd) -> io::Result<Vec<u8>> {
    let mut state = Vec::new();
    File::from(file).take(MAX_STATE).read_to_end(&mut state)?;
    Ok(state)
}

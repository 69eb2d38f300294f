//! The kinds of events, and their MESSAGE_IDs.
//!
//! An identifier is permanent: administrators filter by it, and the message catalog explains it
//! (`systemd/chatd.catalog`, see journalctl(1), `-x`). Use `journalctl --new-id128` for a new kind, and never reuse the
//! identifier of one that was removed.

/// A kind of event.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// `chatd.event` in the code, `CHATD_EVENT` in the journal.
    pub name: &'static str,
    /// The journal's `MESSAGE_ID`: 128 bits in lower-case hexadecimal.
    pub id: &'static str,
    /// What is said of one and of many that are only counted, after `N more`. Only for kinds that somebody without a name,
    /// or an administrator's program that does nothing, can cause as often as they like.
    pub many: Option<[&'static str; 2]>,
}

/// Finds a kind by its name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Log entries were dropped because they could not be written in time.
pub(super) static LOST: &Kind = &kind("lost", "45c0ffb3b98c4bd3b14a6625b723b3a9");

/// The journal could not be used, so the log goes to standard error.
pub(super) static LOG_TARGET: &Kind = &kind("log-target", "504280a2f8f44b6089ccbf29d089ed90");

/// All kinds.
pub static KINDS: &[Kind] = &[
    // The daemon.
    kind("start", "e190c17dc6494361b04682b0ab0ad55e"),
    kind("listen", "785c5b3f869c42cea2572bb1afbfd2c5"),
    kind("stop", "6d2d5505d2274687bf0f510151b0505a"),
    kind("failed", "0b633506ee5f4b329f481442a5a56de9"),
    kind("handover", "1f17e02b58594621897ed1f55adc2da4"),
    kind("stuck", "d8acccc396f34c55be9450fd2057770f"),
    // The room.
    kind("join", "92defe1bd60d4b79b6064668981c3904"),
    kind("leave", "90023e91712d46d681bf9d93e0d4a7a7"),
    kind("rename", "678f1a4bf4b6465582e30d8bf1dfce25"),
    // Actions of an administrator.
    kind("kick", "46c342c3f6e4485fbec4888661d9cd87"),
    kind("ban", "5b091870b8bb43caa0119e8b5b16c5e3"),
    kind("unban", "ce1a6e72751548d091da3c8283e55ca7"),
    kind("notice", "feae1775faa94512855d60084d89c053"),
    kind("reload", "2cc877e2a68c452794eaec586a0d827d"),
    kind("restart", "c9fc51156fb441c5a1e9a4b4a921df57"),
    kind("backup", "e13061ce422f430d97547bb0ae55d72a"),
    Kind {
        many: Some(["event on the admin socket was left out", "events on the admin socket were left out"]),
        ..kind("admin", "cbc7b4e3f02f480f9ed7a233b1e550de")
    },
    // Rejected clients, and limits that were reached.
    Kind {
        many: Some(["client or name was refused", "clients or names were refused"]),
        ..kind("refused", "6c96ceb1f7cb4f04a3d4b6e41886da84")
    },
    Kind {
        many: Some(["warning of this limit was left out", "warnings of this limit were left out"]),
        ..kind("limit", "a2ff45a39d3345838441aa39a30f488c")
    },
    // The configuration and the certificates.
    kind("configuration", "d45f0ff6de2a455e87f9f8a6295b84b7"),
    kind("reload-failed", "84f64579f6cc4ac398a9c0ba1db1304d"),
    kind("restart-failed", "21db352b90464d98a7c4746a5e81093e"),
    kind("certificate", "536aff2f736542a58862a975d85df794"),
    kind("certificate-expiring", "d933f91b1e1c48abb4781bec244a0d9a"),
    kind("certificate-failed", "3fd718aef0dc443987a03a9bb2246160"),
    // The history on disk.
    kind("history-failed", "c5a25874a4bd425a9633fb47ecafcd67"),
    kind("history-resumed", "5d1c4776989446f7878753038f9cb207"),
    kind("history-damaged", "1323e01c9d6a46339bd86489f1a823e7"),
    // The log itself.
    kind(LOST.name, LOST.id),
    kind(LOG_TARGET.name, LOG_TARGET.id),
];

const fn kind(name: &'static str, id: &'static str) -> Kind {
    Kind { name, id, many: None }
}

//! A client's commands, in the room and outside of it.

use super::{joined, registered};

#[test]
fn names_change() {
    let mut talk = registered("");
    talk.plays(
        r"
         > NICK
         < :irc.test 431 ana :No nickname given
         > NICK ana
         > NICK /x
         < :irc.test 432 ana /x :Erroneous nickname: a name does not begin with any of / # & $ + % ~ { [
         > NICK anna
         < :ana!ann@irc.test NICK anna
         > nick Ana
         < :anna!ann@irc.test NICK Ana
",
    );
}

#[test]
fn version_motd_and_other_server_queries_are_answered() {
    let mut talk = registered("");
    talk.plays(r"
         > FOO bar
         < :irc.test 421 ana FOO :Unknown command
         > MOTD
         < :irc.test 422 ana :There is no message of the day; the room has a topic
         > VERSION
         < :irc.test 351 ana chatd-0.1.0 irc.test :a chat room as a system service
         < :irc.test 005 ana AWAYLEN=300 BOT=B CASEMAPPING=ascii CHANLIMIT=#:1 CHANMODES=b,,,n CHANNELLEN=6 CHANTYPES=# CHATHISTORY=100 ELIST= HOSTLEN=8 MAXTARGETS=1 MODES=1 MONITOR=100 :are supported by this server
         < :irc.test 005 ana MSGREFTYPES=msgid,timestamp NAMELEN=300 NETWORK=chatd NICKLEN=32 PREFIX=(ov)@+ SAFELIST TARGMAX=JOIN:,LIST:1,NAMES:1,NOTICE:1,PART:,PRIVMSG:1,TAGMSG:1,WHOIS:1 TOPICLEN=300 USERLEN=16 UTF8ONLY WHOX :are supported by this server
         > TIME
         < :irc.test 391 ana irc.test :2026-01-02T03:04:05.678Z
         > INFO
         < :irc.test 371 ana :chatd-0.1.0: one chat room as a system service
         < :irc.test 371 ana :Some of those whom you meet here use other protocols than IRC
         < :irc.test 374 ana :End of INFO list
         > HELP
         < :irc.test 704 ana * :The commands; HELP and one of them tells more
         < :irc.test 705 ana * :AWAY CHATHISTORY HELP INFO ISON JOIN LIST LUSERS MODE MONITOR
         < :irc.test 705 ana * :MOTD NAMES NICK NOTICE PART PING PRIVMSG QUIT REDACT SEARCH
         < :irc.test 705 ana * :SETNAME TIME TOPIC USERHOST VERSION WHO WHOIS WHOWAS
         < :irc.test 706 ana * :End of help
         > HELP privmsg
         < :irc.test 704 ana privmsg :PRIVMSG nick|#room :text says something
         < :irc.test 706 ana privmsg :End of help
         > HELP me
         < :irc.test 524 ana me :There is no help on that
         > LUSERS
         < :irc.test 251 ana :There is 1 user and 0 invisible on 1 server
         < :irc.test 252 ana 0 :operator(s) online
         < :irc.test 254 ana 0 :channels formed
         < :irc.test 255 ana :I have 1 client and 0 servers
         < :irc.test 265 ana 1 1 :Current local users 1, max 1
         < :irc.test 266 ana 1 1 :Current global users 1, max 1
");
}

#[test]
fn away_is_set_and_unset() {
    let mut talk = registered("");
    talk.plays(
        r"
         > AWAY :lunch
         < :irc.test 306 ana :You have been marked as being away
         > AWAY
         < :irc.test 305 ana :You are no longer marked as being away
         > AWAY :
         < :irc.test 305 ana :You are no longer marked as being away
",
    );
}

#[test]
fn operator_commands_are_refused() {
    let mut talk = registered("");
    talk.plays(
        r"
         > OPER x
         < :irc.test 461 ana OPER :Not enough parameters
         > OPER x y
         < :irc.test 491 ana :There are no operators here: the administrator uses chatctl
         > KILL bo :bye
         < :irc.test 481 ana :Permission denied: the administrator uses chatctl
         > REHASH
         < :irc.test 481 ana :Permission denied: the administrator uses chatctl
         > KICK
         < :irc.test 461 ana KICK :Not enough parameters
         > KICK #lobby bo
         < :irc.test 442 ana #lobby :You're not on that channel
         > KICK #other bo
         < :irc.test 403 ana #other :No such channel; the only one here is #lobby
         > INVITE bo #lobby
         < :irc.test 442 ana #lobby :You're not on that channel
",
    );
}

#[test]
fn modes_are_few() {
    let mut talk = registered("");
    talk.plays(
        r"
         > MODE
         < :irc.test 461 ana MODE :Not enough parameters
         > MODE ana
         < :irc.test 221 ana +
         > MODE ana +B
         < :ana!ann@irc.test MODE ana +B
         > MODE ana
         < :irc.test 221 ana +B
         > MODE ana +xB
         < :irc.test 501 ana :Unknown MODE flag
         > MODE ana -B
         < :ana!ann@irc.test MODE ana -B
         > MODE bo
         < :irc.test 401 ana bo :No such nick
         > MODE #lobby
         < :irc.test 324 ana #lobby +n
         < :irc.test 329 ana #lobby 1767319445
         > MODE #lobby b
         < :irc.test 368 ana #lobby :End of channel ban list
         > MODE #lobby +m
         < :irc.test 442 ana #lobby :You're not on that channel
         > MODE #other
         < :irc.test 403 ana #other :No such channel; the only one here is #lobby
",
    );
}

#[test]
fn commands_of_capabilities_that_were_not_negotiated_are_unknown() {
    let mut talk = registered("");
    talk.plays(
        r"
         > SETNAME
         < :irc.test 461 ana SETNAME :Not enough parameters
         > SETNAME :Ana Banana
         > AUTHENTICATE EXTERNAL
         < :irc.test 904 ana :SASL takes a client certificate that this server verifies
         > TAGMSG #lobby
         < :irc.test 421 ana TAGMSG :Unknown command
         > REDACT #lobby x
         < :irc.test 421 ana REDACT :Unknown command
         > MARKREAD #lobby
         < :irc.test 421 ana MARKREAD :Unknown command
         > BATCH +1 draft/multiline #lobby
         < :irc.test 421 ana BATCH :Unknown command
",
    );
}

#[test]
fn the_room_is_the_only_channel() {
    let mut talk = registered("");
    talk.arrives("bo", true);
    talk.plays(
        r"
         > JOIN
         < :irc.test 461 ana JOIN :Not enough parameters
         > JOIN #other
         < :irc.test 403 ana #other :No such channel; the only one here is #lobby
         > JOIN #other,#LOBBY
         < :irc.test 403 ana #other :No such channel; the only one here is #lobby
         < :ana!ann@irc.test JOIN #lobby
         < :irc.test 332 ana #lobby :tea
         < :irc.test 333 ana #lobby irc.test 1767319445
         < :irc.test 353 ana = #lobby :bo ana
         < :irc.test 366 ana #lobby :End of NAMES list
         > JOIN #lobby
         > NAMES
         < :irc.test 366 ana * :End of NAMES list
         > NAMES #lobby
         < :irc.test 353 ana = #lobby :bo ana
         < :irc.test 366 ana #lobby :End of NAMES list
         > NAMES #other
         < :irc.test 366 ana #other :End of NAMES list
         > TOPIC
         < :irc.test 461 ana TOPIC :Not enough parameters
         > TOPIC #lobby
         < :irc.test 332 ana #lobby :tea
         < :irc.test 333 ana #lobby irc.test 1767319445
         > TOPIC #other
         < :irc.test 403 ana #other :No such channel; the only one here is #lobby
         > TOPIC #lobby :more tea
         < :ana!ann@irc.test TOPIC #lobby :more tea
         > TOPIC #lobby :more tea
         < :ana!ann@irc.test TOPIC #lobby :more tea
         > TOPIC #lobby :
         < :ana!ann@irc.test TOPIC #lobby :
         > TOPIC #lobby
         < :irc.test 331 ana #lobby :No topic is set
",
    );
}

#[test]
fn messages_need_a_recipient_and_a_text() {
    let mut talk = joined("");
    talk.arrives("bo", true);
    talk.plays(
        r"
         > PRIVMSG
         < :irc.test 411 ana :No recipient given (PRIVMSG)
         > PRIVMSG #lobby
         < :irc.test 412 ana :No text to send
         > PRIVMSG #lobby :
         < :irc.test 412 ana :No text to send
         > PRIVMSG #other :hi
         < :irc.test 403 ana #other :No such channel; the only one here is #lobby
         > PRIVMSG #lobby :hi
         > PRIVMSG bo,ed :hi
         < :irc.test 407 ana bo,ed :Too many recipients: one at a time
         > PRIVMSG ed :hi
         < :irc.test 401 ana ed :No such nick
         > PRIVMSG bo :hi
",
    );
}

#[test]
fn away_replies_are_not_sent_to_a_notice() {
    let mut talk = joined("");
    let bo = talk.arrives("bo", true);
    talk.leaves_for(&bo, "lunch");
    talk.plays(
        r"
         > PRIVMSG bo :hi
         < :irc.test 301 ana bo :lunch
         > NOTICE bo :hi
         > NOTICE ed :hi
         > NOTICE #other :hi
         > NOTICE #lobby :hi
",
    );
}

#[test]
fn the_room_can_be_left_and_joined_again() {
    let mut talk = joined("");
    talk.arrives("bo", true);
    talk.plays(
        r"
         > LIST
         < :irc.test 321 ana Channel :Users  Name
         < :irc.test 322 ana #lobby 2 :tea
         < :irc.test 323 ana :End of LIST
         > LIST #other
         < :irc.test 321 ana Channel :Users  Name
         < :irc.test 323 ana :End of LIST
         > PART
         < :irc.test 461 ana PART :Not enough parameters
         > PART #other
         < :irc.test 403 ana #other :No such channel; the only one here is #lobby
         > PART #lobby :so long
         < :ana!ann@irc.test PART #lobby :so long
         > PART #lobby
         < :irc.test 442 ana #lobby :You're not on that channel
         > PRIVMSG #lobby :hi
         < :irc.test 404 ana #lobby :Cannot send to channel: you are not in it
         > NOTICE #lobby :hi
         > JOIN 0
         > KICK #lobby bo
         < :irc.test 442 ana #lobby :You're not on that channel
         > JOIN #lobby
         < :ana!ann@irc.test JOIN #lobby
         < :irc.test 332 ana #lobby :tea
         < :irc.test 333 ana #lobby irc.test 1767319445
         < :irc.test 353 ana = #lobby :bo ana
         < :irc.test 366 ana #lobby :End of NAMES list
         > JOIN 0
         < :ana!ann@irc.test PART #lobby
",
    );
}

#[test]
fn an_unknown_channel_does_not_exist() {
    let mut talk = registered("");
    talk.plays(
        r"
         > LIST
         < :irc.test 321 ana Channel :Users  Name
         < :irc.test 323 ana :End of LIST
         > TOPIC #lobby
         < :irc.test 403 ana #lobby :No such channel; the only one here is #lobby
",
    );
}

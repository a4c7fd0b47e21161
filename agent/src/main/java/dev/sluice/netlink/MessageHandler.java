package dev.sluice.netlink;

/** Receives the messages of a reply, one by one; the cursor is only valid during the call. */
@FunctionalInterface
public interface MessageHandler {
  void onMessage(MessageCursor message);
}

package dev.sluice.netlink;

/**
 * What a protocol package tells the netlink layer about its messages, for readable dumps and error
 * paths.
 */
public interface MessageSchema {
  /** No message is known. */
  MessageSchema UNKNOWN =
      new MessageSchema() {
        @Override
        public String name(int messageType) {
          return "message " + messageType;
        }

        @Override
        public int headerBytes(int messageType) {
          return 0;
        }

        @Override
        public AttributeSchema attributes(int messageType) {
          return AttributeSchema.UNKNOWN;
        }
      };

  /** The kernel's name of the message type, for instance {@code NFT_MSG_NEWTABLE}. */
  String name(int messageType);

  /** Bytes of the fixed header between nlmsghdr and the first attribute. */
  int headerBytes(int messageType);

  AttributeSchema attributes(int messageType);
}

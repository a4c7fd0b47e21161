package dev.sluice.ffi;

/**
 * A datagram that carries a copy of an open descriptor to the process that receives it (SCM_RIGHTS,
 * unix(7)), as {@code struct msghdr} and {@code struct cmsghdr} of sendmsg(2) on 64-bit Linux.
 */
public final class DescriptorMessage {
  // bits/socket.h
  private static final int SOL_SOCKET = 1;
  private static final int SCM_RIGHTS = 1;

  /** struct iovec: base (8), length (8). */
  private static final int IOVEC_BYTES = 16;

  /**
   * struct msghdr: name (8), its length (4), pad (4), iovecs (8), their number (8), control (8),
   * its length (8), flags (4), pad (4).
   */
  private static final int MSGHDR_BYTES = 56;

  private static final int MSG_IOV_OFFSET = 16;
  private static final int MSG_IOVLEN_OFFSET = 24;
  private static final int MSG_CONTROL_OFFSET = 32;
  private static final int MSG_CONTROLLEN_OFFSET = 40;

  /** struct cmsghdr: length (8), level (4), type (4), then the data. */
  private static final int CMSG_HEADER_BYTES = 16;

  private static final int CMSG_LEVEL_OFFSET = 8;
  private static final int CMSG_TYPE_OFFSET = 12;

  /** CMSG_LEN(sizeof(int)): what the header says, and CMSG_SPACE(sizeof(int)): what it takes. */
  private static final int CMSG_LENGTH = CMSG_HEADER_BYTES + Integer.BYTES;

  private static final int CMSG_SPACE = 24;

  private final NativeBuffer data;
  private final NativeBuffer control = NativeBuffer.allocateAligned(CMSG_SPACE, Long.BYTES);
  private final NativeBuffer iovec = NativeBuffer.allocateAligned(IOVEC_BYTES, Long.BYTES);
  private final NativeBuffer header = NativeBuffer.allocateAligned(MSGHDR_BYTES, Long.BYTES);

  /**
   * @param text what the datagram says, not empty
   * @param descriptor what it carries; the sender may close its own once the message is sent
   */
  public DescriptorMessage(byte[] text, int descriptor) {
    data = NativeBuffer.allocate(text.length);
    data.bytes().put(0, text);
    iovec.bytes().putLong(0, data.address()).putLong(Long.BYTES, text.length);
    control
        .bytes()
        .putLong(0, CMSG_LENGTH)
        .putInt(CMSG_LEVEL_OFFSET, SOL_SOCKET)
        .putInt(CMSG_TYPE_OFFSET, SCM_RIGHTS)
        .putInt(CMSG_HEADER_BYTES, descriptor);
    header
        .bytes()
        .putLong(MSG_IOV_OFFSET, iovec.address())
        .putLong(MSG_IOVLEN_OFFSET, 1)
        .putLong(MSG_CONTROL_OFFSET, control.address())
        .putLong(MSG_CONTROLLEN_OFFSET, CMSG_LENGTH);
  }

  /** Sends it over a connected unix socket: the number of bytes sent, or {@code -errno}. */
  public int send(int socket, int flags) {
    return Sys.sendmsg(socket, header, flags);
  }
}

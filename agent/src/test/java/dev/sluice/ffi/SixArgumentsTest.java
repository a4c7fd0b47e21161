package dev.sluice.ffi;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Calls with six arguments, which jnr-ffi's own x86-64 stubs get wrong. */
class SixArgumentsTest {
  private static final int AF_NETLINK = 16;
  private static final int SOCK_RAW = 3;
  private static final int NETLINK_ROUTE = 0;
  private static final int SOCKADDR_NL_BYTES = 12;
  private static final int NLMSGHDR_BYTES = 16;
  private static final short NLMSG_NOOP = 1;

  /** Fails without {@code @NoX86} on {@link LibcCalls}: the address length is rubbish, EINVAL. */
  @Test
  void theSixthArgumentArrives() {
    NativeBuffer kernel = NativeBuffer.allocate(SOCKADDR_NL_BYTES);
    kernel.bytes().putShort(0, (short) AF_NETLINK);
    NativeBuffer message = NativeBuffer.allocate(NLMSGHDR_BYTES);
    message.bytes().putInt(0, NLMSGHDR_BYTES).putShort(4, NLMSG_NOOP);
    int fd = Sys.socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    try {
      int sent =
          Sys.sendto(fd, message.address(), NLMSGHDR_BYTES, 0, kernel.address(), SOCKADDR_NL_BYTES);

      assertThat(sent).isEqualTo(NLMSGHDR_BYTES);
    } finally {
      Sys.close(fd);
    }
  }
}
